import { once } from "node:events";
import { createServer as createControlServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { ConnectionFate, chooseFault } from "./fault-choice.ts";
import { FaultConnection } from "./fault-connection.ts";
import { answerControl } from "./fault-control.ts";
import { type FaultRule, keepRules, parseFaultRules } from "./fault-rules.ts";

/** How a {@link FaultProxy} is started. */
export interface FaultProxyOptions {
  /** `HOST:PORT` of the instance behind it. Connections wait until there is one. Default: none yet. */
  readonly target?: string;
  /** The rules at first. Default: none, so that all passes through. */
  readonly faults?: readonly FaultRule[];
  /** Where it listens. Default: 127.0.0.1. */
  readonly host?: string;
  /** The port that clients connect to, 0 to 65,535. Default: 0, one that is free. */
  readonly port?: number;
  /** From 0 up to 1, for shares and jitter. Default: `Math.random`. */
  readonly random?: () => number;
}

/** On 127.0.0.1, on any free port, without faults. */
export const defaultFaultProxyOptions = Object.freeze({
  faults: [],
  host: "127.0.0.1",
  port: 0,
  random: Math.random,
} satisfies FaultProxyOptions);

/** A client's connection to the proxy. */
interface Client {
  readonly socket: Socket;
  readonly fate: ConnectionFate;
  /** Not yet while there is no target, or while it is in a black hole. */
  connection?: FaultConnection;
}

/** A way to one instance on which calls fail as they are told to. */
export interface FaultProxy {
  /** `HOST:PORT` for clients. */
  readonly address: string;
  /** `HOST:PORT`, on 127.0.0.1, of the control endpoint: `GET` and `PUT http://HOST:PORT/faults`, a JSON list of rules. */
  readonly controlAddress: string;
  /** The rules that hold now. */
  readonly faults: readonly FaultRule[];
  /**
   * How many calls and connections faults have befallen so far. A connection counts once for each rule that befalls it,
   * for as long as that rule holds, however often it is set.
   */
  readonly struck: number;
  /**
   * Has these rules hold for calls from now on; throws a `RangeError`, and changes nothing, where one is wrong. A rule that
   * held before, and is set again as it is, goes on: the connections that met it are not judged by it once more.
   */
  setFaults(rules: readonly FaultRule[]): void;
  /** Has connections from now on lead to the instance at `HOST:PORT`. */
  setTarget(target: string): void;
  /** Resets all connections; new ones are taken. */
  cut(): void;
  /** Resets all connections, and takes no more. */
  close(): Promise<void>;
}

/**
 * Starts an HTTP/2 proxy (cleartext, prior knowledge) before one instance of a service. It passes gRPC streams on as they
 * are, both ways, with their trailers and resets, and no faster than the other side takes them; each client's connection has
 * one of its own to the instance, with the limits that the instance sets, and ends with it. To some calls it does what
 * the rules say. The caller closes it.
 */
export async function startFaultProxy(options: FaultProxyOptions = {}): Promise<FaultProxy> {
  const { host, port, random, target: firstTarget } = { ...defaultFaultProxyOptions, ...options };
  let rules = parseFaultRules(options.faults ?? defaultFaultProxyOptions.faults);
  let target = firstTarget;
  let struck = 0;
  const clients = new Set<Client>();

  const choose = (path: string) => {
    const fault = chooseFault(rules, path, random);
    if (fault !== undefined) struck += 1;
    return fault;
  };
  const judge = (client: Client) => {
    const isSwallowed = client.fate.isSwallowed(rules, random, () => {
      struck += 1;
    });
    if (client.connection !== undefined) client.connection.isSilent = isSwallowed;
    else if (!isSwallowed && target !== undefined)
      client.connection = new FaultConnection(client.socket, { target, choose, random });
  };
  const setFaults = (given: readonly FaultRule[]) => {
    rules = keepRules(rules, parseFaultRules(given));
    for (const client of clients) judge(client);
  };

  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    const client: Client = { socket, fate: new ConnectionFate() };
    clients.add(client);
    socket.once("close", () => clients.delete(client));
    judge(client);
  });
  const control = createControlServer((request, response) => {
    answerControl({ faults: rules, struck, setFaults }, request, response).catch(() => response.destroy());
  });
  const address = await listen(server, host, port);
  const controlAddress = await listen(control, "127.0.0.1", 0);
  const cut = () => {
    for (const { socket, connection } of clients) {
      if (connection === undefined) socket.resetAndDestroy();
      else connection.cut();
    }
  };
  return {
    address,
    controlAddress,
    get faults() {
      return rules;
    },
    get struck() {
      return struck;
    },
    setFaults,
    setTarget: (given) => {
      target = given;
      for (const client of clients) judge(client);
    },
    cut,
    close: async () => {
      const closed = [server, control].map((one) => new Promise((resolve) => one.close(resolve)));
      control.closeAllConnections();
      cut();
      await Promise.all(closed);
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<string> {
  server.listen(port, host);
  await once(server, "listening");
  const bound = server.address() as AddressInfo;
  return `${host.includes(":") ? `[${host}]` : host}:${bound.port}`;
}
