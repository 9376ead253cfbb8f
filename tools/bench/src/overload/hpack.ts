// As much of HPACK (RFC 7541) as it takes to send headers, and to find a status among those that come.

/** A header as a literal that enters no table, its texts as they are: at most 126 bytes each. */
export function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.from([0]), text(name), text(value)]);
}

function text(value: string): Buffer {
  if (value.length > 126) throw new RangeError(`"${value}" is too long for one byte of length`);
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value, "latin1")]);
}

/** The codes of the characters in `grpc-status` (appendix B). */
const codes: Readonly<Record<string, string>> = {
  g: "100110",
  r: "101100",
  p: "101011",
  c: "00100",
  "-": "010110",
  s: "01000",
  t: "01001",
  a: "00011",
  u: "101101",
};

const statusName = huffman("grpc-status");

/**
 * The value of `grpc-status` in a block of headers that was made without a table: a literal whose name is compressed, and
 * whose value, of one or two digits, is not, because that would not make it shorter. `undefined` where there is none.
 */
export function statusIn(block: Buffer): number | undefined {
  const at = block.indexOf(statusName);
  if (at < 0) return undefined;
  const length = block.readUInt8(at + statusName.length);
  const from = at + statusName.length + 1;
  const digits = block.toString("latin1", from, from + length);
  return length <= 2 && /^\d+$/.test(digits) ? Number(digits) : undefined;
}

/** A text as a compressed string with its length, filled up with ones. */
function huffman(value: string): Buffer {
  const bits = [...value].map((character) => codes[character] ?? "").join("");
  const filled = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1");
  const bytes = Buffer.from(filled.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
  return Buffer.concat([Buffer.from([0x80 | bytes.length]), bytes]);
}
