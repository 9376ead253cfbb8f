import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
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
 * Certificates for grpc-js, read again every `reloadMs` while a server or channel uses them. What cannot be read or does
 * not fit together, as in the midst of a rotation, changes nothing and is told to `onError`: the last good ones stay in
 * use. (grpc-js's own watcher would refuse all connections then.) Throws when the files are no good to begin with.
 */
export class WatchedCertificates implements experimental.CertificateProvider {
  readonly #files: CertificateFiles;
  readonly #reloadMs: number;
  readonly #onError: (error: Error) => void;
  readonly #caListeners = new Set<CaListener>();
  readonly #identityListeners = new Set<IdentityListener>();
  #pem: Pem;
  #timer: NodeJS.Timeout | undefined;

  constructor(files: CertificateFiles, reloadMs: number, onError: (error: Error) => void) {
    if ((files.certFile === undefined) !== (files.keyFile === undefined))
      throw new TypeError("tls: certFile and keyFile are given together or not at all");
    this.#files = files;
    this.#reloadMs = reloadMs;
    this.#onError = onError;
    const read = (file: string | undefined) => (file === undefined ? undefined : readFileSync(file));
    this.#pem = checked({
      certificate: read(files.certFile),
      privateKey: read(files.keyFile),
      caCertificate: read(files.caFile),
    });
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
    // grpc-js is not ready to be told before its call to us returns.
    process.nextTick(tell);
    this.#timer ??= setInterval(() => void this.#reload(), this.#reloadMs).unref();
  }

  #rest(): void {
    if (this.#caListeners.size + this.#identityListeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #reload(): Promise<void> {
    const { certFile, keyFile, caFile } = this.#files;
    const read = (file: string | undefined) => (file === undefined ? undefined : readFile(file));
    try {
      const [certificate, privateKey, caCertificate] = await Promise.all([read(certFile), read(keyFile), read(caFile)]);
      const pem = { certificate, privateKey, caCertificate };
      if (equal(pem, this.#pem)) return;
      this.#pem = checked(pem);
    } catch (error) {
      return this.#onError(
        new Error("tls: the new certificates are no good; the old ones stay in use", { cause: error }),
      );
    }
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

/** Throws for a key that is not the certificate's, and for what is no certificate. */
function checked(pem: Pem): Pem {
  createSecureContext({ cert: pem.certificate, key: pem.privateKey, ca: pem.caCertificate });
  return pem;
}

function equal(one: Pem, other: Pem): boolean {
  return (["certificate", "privateKey", "caCertificate"] as const).every((part) => {
    const [a, b] = [one[part], other[part]];
    return a === b || (a !== undefined && b !== undefined && a.equals(b));
  });
}
