import { getCACertificates } from "node:tls";
import { type ChannelCredentials, credentials, experimental, type ServerCredentials } from "@grpc/grpc-js";
import { requireInteger } from "@shoal/kernel";
import { WatchedCertificates } from "./certificate-files.ts";

/** How often certificate files are read again, and who is told when new ones are no good. */
interface Reload {
  /** In milliseconds, 100 to 1 day. */
  readonly reloadMs?: number;
  /** Told of files that cannot be used; the last good ones stay in use. Default: a warning of the process. */
  readonly onError?: (error: Error) => void;
}

/** How a server proves who it is, and whom it lets connect. */
export interface ServerTls extends Reload {
  /** Its certificate, with the intermediate ones, in a PEM file. */
  readonly certFile: string;
  /** The certificate's key, in a PEM file. */
  readonly keyFile: string;
  /** Only callers whose certificate one of these authorities has signed may connect (mTLS). Not set: anybody. */
  readonly clientCaFile?: string;
}

/** How a client knows its server, and proves who it is itself. */
export interface ClientTls extends Reload {
  /** Who may have signed the server's certificate, in a PEM file. Not set: the authorities that Node knows. */
  readonly caFile?: string;
  /** The client's own certificate (mTLS), with {@link keyFile}. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** Every 10 seconds. New connections use new certificates; those that are open keep theirs. */
export const defaultTlsReload = Object.freeze({ reloadMs: 10_000 });

/** Throws an `Error` that names the file for files that are no good. */
export function serverCredentials({ certFile, keyFile, clientCaFile, ...reload }: ServerTls): ServerCredentials {
  const provider = watch({ certFile, keyFile, caFile: clientCaFile }, reload);
  const authorities = clientCaFile === undefined ? null : provider;
  // The names of grpc-js's parameters are in the wrong order: the first one provides the server's own certificate.
  return experimental.createCertificateProviderServerCredentials(provider, authorities, authorities !== null);
}

/** Throws an `Error` that names the file for files that are no good. */
export function clientCredentials({ caFile, certFile, keyFile, ...reload }: ClientTls): ChannelCredentials {
  if (caFile === undefined && certFile === undefined) return credentials.createSsl();
  const provider = watch({ certFile, keyFile, caFile }, reload);
  const authorities = caFile === undefined ? knownAuthorities : provider;
  return experimental.createCertificateProviderChannelCredentials(
    authorities,
    certFile === undefined ? null : provider,
  );
}

function watch(files: ConstructorParameters<typeof WatchedCertificates>[0], reload: Reload): WatchedCertificates {
  const { reloadMs, onError = (error: Error) => process.emitWarning(error) } = { ...defaultTlsReload, ...reload };
  requireInteger("reloadMs", reloadMs, 100, 86_400_000);
  return new WatchedCertificates(files, reloadMs, onError);
}

/** The authorities that Node knows, for a client that has a certificate of its own. */
const knownAuthorities: experimental.CertificateProvider = {
  addCaCertificateListener: (listener) =>
    // With those that NODE_EXTRA_CA_CERTS adds.
    process.nextTick(listener, { caCertificate: Buffer.from(getCACertificates("default").join("\n")) }),
  removeCaCertificateListener: () => {},
  addIdentityCertificateListener: () => {},
  removeIdentityCertificateListener: () => {},
};
