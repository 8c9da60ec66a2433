// A deployment without its last step: wrangler reads the configuration, builds and bundles, and uploads nothing.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { docker } from "./docker.mjs";
import { WRANGLERS_DOCKER } from "./images.mjs";
import { CACHE, fromRoot, projectNode, toolEnv, UserError } from "./project.mjs";
import { run } from "./run.mjs";

/** Nothing listens there: whatever would ask Cloudflare, or for a login, fails at once. */
const NOWHERE = "http://127.0.0.1:9";
/** What a build machine or a person has set for real deployments, such as a token or the name of another Worker. */
const FOR_REAL = /^(CLOUDFLARE|CF|WRANGLER)_/;

/**
 * Why the container's image can't be built here, which wrangler does even in a rehearsal; null where it can.
 * @param {(detail: string) => void} report
 */
export async function imageHindrance(report) {
  if (docker("version", "--format", "{{.Server.Version}}") === null) return "no Docker Engine answers here";
  const base = readFileSync(fromRoot("container/Dockerfile"), "utf8").match(/^ARG BASE=(\S+)$/m)?.[1] ?? "";
  if (docker("image", "inspect", base) !== null) return null;
  report(`pulling ${base}`);
  return run("docker", ["pull", base], { log: "docker-pull", onLine: report }).then(
    () => null,
    () => `${base}, its base, can't be pulled here`,
  );
}

/**
 * Resolves to what wrangler warns of.
 * @param {string} environment
 * @param {{image: boolean, upload?: string, report?: (detail: string) => void}} options `upload`: the file for what would be sent
 */
export async function rehearse(environment, { image, upload, report }) {
  const dir = mkdtempSync(join(tmpdir(), "rehearsal-"));
  const args = ["deploy", "--dry-run", "--env", environment, "--outdir", dir];
  if (!image) args.push("--containers-rollout", "none");
  if (upload) args.push("--outfile", upload);
  try {
    const output = await run(projectNode(), [fromRoot("node_modules/wrangler/bin/wrangler.js"), ...args], {
      log: `rehearsal-${environment}`,
      ...(report && { onLine: report }),
      env: {
        ...Object.fromEntries(Object.entries(toolEnv()).filter(([name]) => !FOR_REAL.test(name))),
        CLOUDFLARE_API_BASE_URL: NOWHERE,
        WRANGLER_SEND_METRICS: "false",
        WRANGLER_DOCKER_BIN: WRANGLERS_DOCKER,
        WRANGLER_HIDE_BANNER: "true",
        WRANGLER_LOG_PATH: join(CACHE, "logs"),
        NO_COLOR: "1",
        FORCE_COLOR: "0",
      },
    });
    return output.split("\n").flatMap((line) => line.match(/\[WARNING\]\s*(.*)/)?.[1] ?? []);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // The build's own account is not what went wrong: it has just passed without wrangler.
    const [, ...lines] = error.message.split("\n").filter((line) => !line.startsWith("[custom build]"));
    throw new UserError(lines.join("\n"));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
