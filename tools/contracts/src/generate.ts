// Brings the third-party protos that ours import into place, then generates the contracts' code with buf.
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { file_buf_validate_validate } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { readServices, type Services } from "@shoal/services/read-services";
import { printProto } from "./print-proto.ts";

const root = join(import.meta.dirname, "../../..");
const thirdParty = join(root, "libs/contracts/third-party");

const services = readList();
rmSync(thirdParty, { recursive: true, force: true });
copy("google-proto-files", "google/rpc/status.proto", "google/rpc/status.proto");
copy("google-proto-files", "google/rpc/code.proto", "google/rpc/code.proto");
copy("google-proto-files", "google/rpc/error_details.proto", "google/rpc/error_details.proto");
copy("grpc-health-check", "proto/health/v1/health.proto", "grpc/health/v1/health.proto");
for (const version of ["v1", "v1alpha"]) {
  const file = `grpc/reflection/${version}/reflection.proto`;
  copy("@grpc/reflection", `build/proto/${file}`, file);
}
write("buf/validate/validate.proto", printProto(file_buf_validate_validate.proto));

const buf = spawnSync(join(root, "node_modules/.bin/buf"), ["generate"], { cwd: root, stdio: "inherit" });
if (buf.error) console.error(`cannot run buf: ${buf.error.message}. Run \`npm ci\` first.`);
process.exitCode = buf.status ?? 1;
if (buf.status === 0) writeServices();
// Says when this last succeeded (buf leaves files that have not changed as they are): tools/repo/bootstrap.mjs reads it.
if (buf.status === 0) write(".made", "");

/** What a package.json says that cannot be is for whoever wrote it: it is told without a stack. */
function readList(): Services {
  try {
    return readServices(root);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}

/** Writes the contracts of all services, by name, for those who pass calls on to all: `@shoal/contracts/services`. */
function writeServices(): void {
  const names = services.services
    .map(({ name }) => name)
    .filter((name) => existsSync(join(root, `proto/shoal/${name}/v1/${name}_service.proto`)));
  const exported = (name: string) => `${name[0]?.toUpperCase()}${name.slice(1)}Service`;
  const imports = names.map((name) => `import { ${exported(name)} } from "./${name}/v1/${name}_service_pb.js";\n`);
  const members = names.map((name) => `  ${name}: ${exported(name)},\n`);
  const gen = join(root, "libs/contracts/gen/shoal");
  writeFileSync(join(gen, "services_pb.js"), `${imports.join("")}\nexport const services = {\n${members.join("")}};\n`);
  writeFileSync(
    join(gen, "services_pb.d.ts"),
    `import type { DescService } from "@bufbuild/protobuf";

/** The contract of each service of \`apps/\`, by the service's name. */
export declare const services: Readonly<Record<string, DescService>>;
`,
  );
}

/** Copies a proto out of an installed package. */
function copy(packageName: string, from: string, to: string): void {
  const manifest = createRequire(import.meta.url).resolve(`${packageName}/package.json`);
  copyFileSync(join(dirname(manifest), from), place(to));
}

function write(to: string, text: string): void {
  writeFileSync(place(to), text);
}

function place(to: string): string {
  const path = join(thirdParty, to);
  mkdirSync(dirname(path), { recursive: true });
  return path;
}
