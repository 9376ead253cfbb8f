export {
  type Authority,
  type CertificateAndKey,
  type CertificateInit,
  createAuthority,
  replaceFile,
  type TlsFiles,
  writeTlsFiles,
} from "./certificates.ts";
export { createTestDatabase, databaseServer, needsDatabaseServer } from "./database-servers.ts";
export { type DnsRecord, type DnsServer, startDnsServer } from "./dns-server.ts";
export { type EtcdServer, needsEtcd, startEtcd } from "./etcd-servers.ts";
export { defaultFaultProxyOptions, type FaultProxy, type FaultProxyOptions, startFaultProxy } from "./fault-proxy.ts";
export type { Fault, FaultRule, GrpcCode } from "./fault-rules.ts";
export { lastingPort } from "./lasting-port.ts";
export {
  type OtlpBehaviour,
  type OtlpReceiver,
  type ReceivedLog,
  type ReceivedSpan,
  startOtlpReceiver,
} from "./otlp-receiver.ts";
export { childEnvironment, compileCache, copyRepository, type RepositoryCopy } from "./repository-copy.ts";
export { type StorageEngine, storageEngines } from "./storage-engines.ts";
export { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";
export { temporaryDirectory } from "./temporary-directory.ts";
export { until } from "./until.ts";
export { VirtualClock } from "./virtual-clock.ts";
