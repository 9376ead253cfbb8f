import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CertificateExtension, generate, type SelfsignedOptions } from "selfsigned";

/** A certificate and its key in PEM. */
export interface CertificateAndKey {
  readonly certificate: string;
  readonly key: string;
}

/** What a certificate is to say. */
export interface CertificateInit {
  readonly commonName: string;
  /** Its holder's names in URIs, beside `localhost` and `127.0.0.1`. */
  readonly uris?: readonly string[];
  /** Its holder's names, instead of `localhost` and `127.0.0.1`. */
  readonly hosts?: readonly string[];
  readonly notAfter?: Date;
}

/** An authority for tests, which signs certificates for servers and clients. */
export interface Authority {
  readonly certificate: string;
  issue(init: CertificateInit): Promise<CertificateAndKey>;
}

export async function createAuthority(commonName: string): Promise<Authority> {
  const authority = await make(commonName, {
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, critical: true },
    ],
  });
  return {
    certificate: authority.certificate,
    issue: ({ commonName, uris = [], hosts = ["localhost"], notAfter }) => {
      const altNames = [
        ...hosts.map((value) => ({ type: 2 as const, value })),
        ...(hosts.includes("localhost") ? [{ type: 7 as const, ip: "127.0.0.1" }] : []),
        ...uris.map((value) => ({ type: 6 as const, value })),
      ];
      const extensions: CertificateExtension[] = [
        { name: "extKeyUsage", serverAuth: true, clientAuth: true },
        { name: "subjectAltName", altNames },
      ];
      return make(commonName, {
        extensions,
        ca: { cert: authority.certificate, key: authority.key },
        notBeforeDate: new Date(Math.min(Date.now(), notAfter?.getTime() ?? Number.POSITIVE_INFINITY) - 86_400_000),
        ...(notAfter && { notAfterDate: notAfter }),
      });
    },
  };
}

/** Where a party keeps its certificate with the key, and the certificate of the authority that it trusts. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

/** Writes what `name` has into `directory`. What is there already is replaced. */
export async function writeTlsFiles(
  directory: string,
  name: string,
  own: CertificateAndKey,
  trusted: Authority,
): Promise<TlsFiles> {
  const path = (part: string) => join(directory, `${name}.${part}`);
  const files = { certFile: path("crt"), keyFile: path("key"), caFile: path("ca") };
  await replaceFile(files.certFile, own.certificate);
  await replaceFile(files.keyFile, own.key);
  await replaceFile(files.caFile, trusted.certificate);
  return files;
}

/** Writes a file so that whoever reads it sees either the old one or the new one. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}

async function make(commonName: string, options: SelfsignedOptions): Promise<CertificateAndKey> {
  const subject = [{ name: "commonName", value: commonName }];
  const made = await generate(subject, { keyType: "ec", algorithm: "sha256", ...options });
  return { certificate: made.cert, key: made.private };
}
