import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { TestContext } from "node:test";

/** What a name stands for; `ttl` in seconds. */
export type DnsRecord =
  | { readonly type: "A"; readonly address: string; readonly ttl: number }
  | { readonly type: "AAAA"; readonly address: string; readonly ttl: number }
  | {
      readonly type: "SRV";
      readonly target: string;
      readonly port: number;
      readonly priority: number;
      readonly weight: number;
      readonly ttl: number;
    };

/** A DNS server whose answers a test decides. */
export interface DnsServer {
  /** `IP:PORT`, UDP. */
  readonly address: string;
  /** How many questions have come. */
  readonly questions: number;
  /** What it says of a name: its records, that it has failed (SERVFAIL), or nothing at all. No records: NXDOMAIN. */
  set(name: string, answer: readonly DnsRecord[] | "fails" | "silent"): void;
}

const typeCodes: Readonly<Record<DnsRecord["type"], number>> = { A: 1, SRV: 33, AAAA: 28 };

/** Starts one on a free port of 127.0.0.1, with no names. It speaks as much of RFC 1035 as a test needs. It ends after the test. */
export async function startDnsServer(t: TestContext): Promise<DnsServer> {
  const names = new Map<string, readonly DnsRecord[] | "fails" | "silent">();
  let questions = 0;
  const socket = createSocket("udp4", (query, { address, port }) => {
    questions += 1;
    const question = readQuestion(query);
    const answer = names.get(question.name) ?? [];
    if (answer !== "silent") socket.send(response(query, question, answer), port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.after(() => socket.close());
  return {
    address: `127.0.0.1:${socket.address().port}`,
    get questions() {
      return questions;
    },
    set: (name, answer) => void names.set(name.toLowerCase(), answer),
  };
}

interface Question {
  readonly name: string;
  readonly type: number;
  /** Where it ends in the query. */
  readonly end: number;
}

function readQuestion(query: Buffer): Question {
  const labels: string[] = [];
  let at = 12;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString("latin1", at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join(".").toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function response(query: Buffer, { type, end }: Question, answer: readonly DnsRecord[] | "fails"): Buffer {
  const records = answer === "fails" ? [] : answer;
  const asked = records.filter((record) => typeCodes[record.type] === type);
  const code = answer === "fails" ? 2 : records.length === 0 ? 3 : 0;
  const head = Buffer.alloc(12);
  query.copy(head, 0, 0, 2);
  // A response, with authority, to a question that wanted recursion and gets it.
  head.writeUInt16BE(0x8580 | code, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(asked.length, 6);
  return Buffer.concat([head, query.subarray(12, end), ...asked.map(encode)]);
}

function encode(record: DnsRecord): Buffer {
  const data = dataOf(record);
  const head = Buffer.alloc(12);
  // The name is that of the question, which begins at byte 12.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(typeCodes[record.type], 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(record.ttl, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function dataOf(record: DnsRecord): Buffer {
  if (record.type === "A") return Buffer.from(record.address.split(".").map(Number));
  if (record.type === "AAAA") return ipv6Bytes(record.address);
  const numbers = Buffer.alloc(6);
  for (const [index, value] of [record.priority, record.weight, record.port].entries())
    numbers.writeUInt16BE(value, index * 2);
  const labels = record.target.split(".").map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`));
  return Buffer.concat([numbers, ...labels, Buffer.alloc(1)]);
}

/** The 16 bytes of an IPv6 address; `::` stands for the zeros that are missing. */
function ipv6Bytes(address: string): Buffer {
  const [before = "", after = ""] = address.split("::");
  const groups = (text: string) => text.split(":").filter((group) => group !== "");
  const zeros = Array(8 - groups(before).length - groups(after).length).fill("0");
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...groups(before), ...zeros, ...groups(after)].entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  return bytes;
}
