// The agent's image as it is built: who may write what, what is in it, and what must not be.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../dev/stack.ts";
import { imageSize } from "../../scripts/lib/docker.mjs";
import { images } from "../../scripts/lib/images.mjs";

const { agent: image, base } = images();
/** Above the base. What an instance fetches before its first start grows with it. */
const BUDGET_MB = 650;

const docker = (...args: string[]): string => execFileSync("docker", args, { encoding: "utf8", maxBuffer: 1e9 });
const inspected = JSON.parse(docker("image", "inspect", image))[0];
const inImage = (script: string, user = "agent"): string =>
  docker("run", "--rm", "--network", "none", "--user", user, "--entrypoint", "sh", image, "-c", script);

test("it starts as an unprivileged user with one entry point, and no health check of its own", () => {
  const { User, Entrypoint, Cmd, Healthcheck } = inspected.Config;
  assert.deepEqual([User, Entrypoint, Cmd ?? null], ["agent", ["/opt/agent/agent", "init"], null]);
  assert.equal(Healthcheck, undefined);
  assert.equal(inImage("id -u; id -G").trim(), "10001\n10001");
});

test("the agent may write its own folders and the temporary ones, nothing else", () => {
  const own = ["/data", "/run/agent", "/var/tmp", "/tmp", "/run/lock", "/dev", "/proc", "/sys"];
  const others = own.map((dir) => `-path ${dir} -prune -o`).join(" ");
  assert.equal(inImage(`find / ${others} -writable ! -type l -print 2>/dev/null | head -20`), "");
});

test("no program gives its caller another user's rights", () => {
  assert.equal(inImage("find / -xdev -type f -perm /6000 2>/dev/null", "root"), "");
});

test("no package manager's cache is left", () => {
  const caches =
    "/root/.npm /root/.cache /home/*/.npm /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/apt/archives/*.deb";
  assert.equal(inImage(`ls -d ${caches} 2>/dev/null || true`, "root"), "");
});

test("it holds the versions that the lock file names, and lists all it holds", () => {
  const lock = JSON.parse(readFileSync(join(ROOT, "container/package-lock.json"), "utf8"));
  const openclaw = lock.packages["node_modules/openclaw"].version;
  assert.equal(JSON.parse(inImage("cat /opt/agent/node_modules/openclaw/package.json")).version, openclaw);
  const sbom = JSON.parse(inImage("cat /opt/agent/sbom.cdx.json"));
  assert.equal(sbom.bomFormat, "CycloneDX");
  assert.equal(sbom.serialNumber, undefined);
  const version = (name: string) => sbom.components.find((one: { name: string }) => one.name === name)?.version;
  assert.equal(version("openclaw"), openclaw);
  assert.equal(`v${version("node")}`, inImage("node --version").trim());
  for (const program of ["tini", "git", "curl", "ca-certificates"]) {
    const installed = inImage(`dpkg-query --show --showformat='\${Version}' ${program}`);
    assert.equal(version(program), installed, program);
  }
});

test("its environment is that of the base, and a PATH", () => {
  const [{ Config }] = JSON.parse(docker("image", "inspect", base));
  const added = inspected.Config.Env.filter((variable: string) => !Config.Env.includes(variable));
  assert.ok(
    added.every((variable: string) => variable.startsWith("PATH=/usr/local/sbin:")),
    added.join(", "),
  );
});

test("it is not larger than it must be", (t) => {
  const [all, below] = [imageSize(image), imageSize(base)].map((bytes) => Math.round(bytes / 1e6));
  t.diagnostic(`${all} MB, of which ${below} MB are the base`);
  assert.ok((all ?? 0) - (below ?? 0) < BUDGET_MB);
});
