import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { experimental } from "@grpc/grpc-js";

/** Files in PEM. A certificate and its key come together. */
export interface CertificateFiles {
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly caFile?: string | undefined;
}

interface Pem {
  readonly certificate: Buffer | undefined;
  readonly privateKey: Buffer | undefined;
  readonly caCertificate: Buffer | undefined;
}

type CaListener = experimental.CaCertificateUpdateListener;
type IdentityListener = experimental.IdentityCertificateUpdateListener;

/**
 * Certificates for grpc-js, read again when a server or channel begins to use them and then every `reloadMs`. What cannot
 * be read or does not fit together, as in the midst of a rotation, changes nothing and is told to `onError`, once for each
 * change of the files: the last good ones stay in use. (grpc-js's own watcher would refuse all connections then.) Throws
 * an `Error` that names the file when they are no good to begin with. States: resting ⇄ watching, while it has listeners.
 */
export class WatchedCertificates implements experimental.CertificateProvider {
  readonly #files: CertificateFiles;
  readonly #reloadMs: number;
  readonly #onError: (error: Error) => void;
  readonly #caListeners = new Set<CaListener>();
  readonly #identityListeners = new Set<IdentityListener>();
  #pem: Pem;
  #timer: NodeJS.Timeout | undefined;
  /** What was told last, with the files' contents: it is told once and not at every reading. */
  #lastFailure: string | undefined;

  constructor(files: CertificateFiles, reloadMs: number, onError: (error: Error) => void) {
    if ((files.certFile === undefined) !== (files.keyFile === undefined))
      throw new TypeError("tls: certFile and keyFile are given together or not at all");
    this.#files = files;
    this.#reloadMs = reloadMs;
    this.#onError = onError;
    this.#pem = readAll(files);
    check(files, this.#pem);
  }

  addCaCertificateListener(listener: CaListener): void {
    this.#caListeners.add(listener);
    this.#watch(() => this.#tellCa(listener));
  }

  removeCaCertificateListener(listener: CaListener): void {
    this.#caListeners.delete(listener);
    this.#rest();
  }

  addIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.add(listener);
    this.#watch(() => this.#tellIdentity(listener));
  }

  removeIdentityCertificateListener(listener: IdentityListener): void {
    this.#identityListeners.delete(listener);
    this.#rest();
  }

  #watch(tell: () => void): void {
    if (this.#timer === undefined) {
      // A client that has no connection rests, perhaps for days, and the first connection after that is about to be made.
      this.#reload();
      this.#timer = setInterval(() => this.#reload(), this.#reloadMs).unref();
    }
    // grpc-js is not ready to be told before its call to us returns.
    process.nextTick(tell);
  }

  #rest(): void {
    if (this.#caListeners.size + this.#identityListeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #reload(): void {
    let pem: Pem | undefined;
    try {
      // Not in the background: it takes some 50 µs, and the less time between the files the better.
      pem = readAll(this.#files);
      if (!equal(pem, this.#pem)) check(this.#files, pem);
    } catch (error) {
      const failure = [error, ...Object.values(pem ?? {})].join();
      if (failure !== this.#lastFailure)
        this.#onError(new Error("tls: the new certificates are no good; the old ones stay in use", { cause: error }));
      this.#lastFailure = failure;
      return;
    }
    this.#lastFailure = undefined;
    if (equal(pem, this.#pem)) return;
    this.#pem = pem;
    for (const listener of this.#identityListeners) this.#tellIdentity(listener);
    for (const listener of this.#caListeners) this.#tellCa(listener);
  }

  #tellCa(listener: CaListener): void {
    const { caCertificate } = this.#pem;
    listener(caCertificate === undefined ? null : { caCertificate });
  }

  #tellIdentity(listener: IdentityListener): void {
    const { certificate, privateKey } = this.#pem;
    listener(certificate === undefined || privateKey === undefined ? null : { certificate, privateKey });
  }
}

function readAll(files: CertificateFiles): Pem {
  const read = (name: keyof CertificateFiles) => {
    const file = files[name];
    return file === undefined ? undefined : blaming(files, name, "cannot be read", () => readFileSync(file));
  };
  return { certificate: read("certFile"), privateKey: read("keyFile"), caCertificate: read("caFile") };
}

/** Throws for what is no certificate or key in PEM, and for a key that is not the certificate's. */
function check(files: CertificateFiles, { certificate, privateKey, caCertificate }: Pem): void {
  if (certificate !== undefined && privateKey !== undefined) {
    blaming(files, "certFile", "must hold certificates in PEM", () => createSecureContext({ cert: certificate }));
    const key = blaming(files, "keyFile", "must hold a key in PEM, without a passphrase", () =>
      createPrivateKey(privateKey),
    );
    if (!new X509Certificate(certificate).checkPrivateKey(key))
      throw new Error(`tls: the key in ${files.keyFile} is not that of the first certificate in ${files.certFile}`);
  }
  if (caCertificate !== undefined)
    blaming(files, "caFile", "must hold certificates in PEM", () => requireCertificates(caCertificate));
}

/** OpenSSL takes what is no certificate for the end of the file, even where the first one should be. */
function requireCertificates(pem: Buffer): void {
  const begin = "-----BEGIN ";
  const [, ...certificates] = pem.toString("latin1").split(begin);
  if (certificates.length === 0) throw new Error("there is none");
  for (const certificate of certificates) new X509Certificate(begin + certificate);
}

/** What errors call the files; each option that takes one has a name of its own. */
const names = { certFile: "the certificate file", keyFile: "the key file", caFile: "the file of authorities" };

/** What `get` answers. When it throws, so does this, with the name of the file. */
function blaming<T>(files: CertificateFiles, name: keyof CertificateFiles, what: string, get: () => T): T {
  try {
    return get();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`tls: ${names[name]} ${files[name]} ${what}: ${why}`, { cause: error });
  }
}

function equal(one: Pem, other: Pem): boolean {
  return (["certificate", "privateKey", "caCertificate"] as const).every((part) => {
    const [a, b] = [one[part], other[part]];
    return a === b || (a !== undefined && b !== undefined && a.equals(b));
  });
}
