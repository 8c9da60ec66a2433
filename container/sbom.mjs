// Run once while the image is built: writes what is in it (npm's packages, Debian's, Node) as CycloneDX 1.5 JSON.
// What differs between two builds of the same is left out: the serial number and the time.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";

const npm = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
const { serialNumber: _, ...kept } = npm;
const { timestamp: __, ...metadata } = npm.metadata;

// biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholders
const installed = execFileSync("dpkg-query", ["--show", "--showformat=${Package}\t${Version}\t${Architecture}\n"], {
  encoding: "utf8",
});
const debian = installed
  .trim()
  .split("\n")
  .map((line) => {
    const [name = "", version = "", architecture = ""] = line.split("\t");
    const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}`;
    return { "bom-ref": purl, type: "library", name, version, purl };
  });
const node = process.version.slice(1);
const runtime = { "bom-ref": `pkg:generic/node@${node}`, type: "application", name: "node", version: node };
const components = [...npm.components, runtime, ...debian];
process.stdout.write(`${JSON.stringify({ ...kept, metadata, components }, null, 1)}\n`);
