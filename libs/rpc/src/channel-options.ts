import type { ChannelOptions } from "@grpc/grpc-js";

/** The options that grpc-js 1.14 reads; it ignores all others in silence. */
const known: ReadonlySet<string> = new Set([
  "grpc-node.flow_control_window",
  "grpc-node.max_session_memory",
  "grpc-node.retry_max_attempts_limit",
  "grpc-node.tls_enable_trace",
  "grpc.client_idle_timeout_ms",
  "grpc.default_authority",
  "grpc.default_compression_algorithm",
  "grpc.dns_min_time_between_resolutions_ms",
  "grpc.enable_channelz",
  "grpc.enable_http_proxy",
  "grpc.enable_retries",
  "grpc.initial_reconnect_backoff_ms",
  "grpc.keepalive_permit_without_calls",
  "grpc.keepalive_time_ms",
  "grpc.keepalive_timeout_ms",
  "grpc.lb.ring_hash.ring_size_cap",
  "grpc.max_concurrent_streams",
  "grpc.max_connection_age_grace_ms",
  "grpc.max_connection_age_ms",
  "grpc.max_connection_idle_ms",
  "grpc.max_receive_message_length",
  "grpc.max_reconnect_backoff_ms",
  "grpc.max_send_message_length",
  "grpc.per_rpc_retry_buffer_size",
  "grpc.primary_user_agent",
  "grpc.retry_buffer_size",
  "grpc.secondary_user_agent",
  "grpc.server_call_metric_recording",
  "grpc.service_config",
  "grpc.service_config_disable_resolution",
  "grpc.ssl_target_name_override",
  "grpc.use_local_subchannel_pool",
]);

/** Throws a `RangeError` that names the first option that grpc-js would ignore. */
export function requireChannelOptions(options: ChannelOptions = {}): void {
  for (const name of Object.keys(options)) {
    if (known.has(name)) continue;
    const alike = [...known].filter((candidate) => words(candidate).some((word) => words(name).includes(word)));
    const hint = alike.length === 0 ? "" : `; there are ${alike.join(", ")}`;
    throw new RangeError(`channelOptions: grpc-js knows no option ${name} and would ignore it${hint}`);
  }
}

/** The telling parts of an option's name. */
function words(name: string): string[] {
  return name.split(/[._]/).filter((word) => !["grpc", "grpc-node", "max", "enable", "ms", "time"].includes(word));
}
