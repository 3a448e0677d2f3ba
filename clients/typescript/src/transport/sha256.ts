/** SHA-256 (FIPS 180-4) in parts. WebCrypto needs all bytes at once, and browsers have it on secure pages only. */

const PRIMES: number[] = [];
for (let n = 2; PRIMES.length < 64; n += 1) if (PRIMES.every((prime) => n % prime !== 0)) PRIMES.push(n);

const fraction = (root: number) => ((root % 1) * 2 ** 32) | 0;
const START = PRIMES.slice(0, 8).map((prime) => fraction(Math.sqrt(prime)));
const ROUND = PRIMES.map((prime) => fraction(Math.cbrt(prime)));
const BLOCK = 64;

export class Sha256 {
  private readonly state = Int32Array.from(START);
  private readonly words = new Int32Array(64);
  private rest = new Uint8Array(0);
  private length = 0;

  /** Adds bytes. */
  update(bytes: Uint8Array): void {
    this.length += bytes.length;
    let start = 0;
    if (this.rest.length > 0) {
      const missing = BLOCK - this.rest.length;
      const joined = concatenated(this.rest, bytes.subarray(0, missing));
      this.rest = new Uint8Array(0);
      if (joined.length < BLOCK) {
        this.rest = joined;
        return;
      }
      this.block(joined, 0);
      start = missing;
    }
    for (; start + BLOCK <= bytes.length; start += BLOCK) this.block(bytes, start);
    this.rest = bytes.slice(start);
  }

  /** The digest in hexadecimal; nothing can be added afterwards. */
  hex(): string {
    const size = this.rest.length < 56 ? BLOCK : 2 * BLOCK;
    const end = new Uint8Array(size);
    end.set(this.rest);
    end[this.rest.length] = 0x80;
    new DataView(end.buffer).setBigUint64(size - 8, BigInt(this.length) * 8n);
    for (let start = 0; start < size; start += BLOCK) this.block(end, start);
    return [...this.state].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  private block(bytes: Uint8Array, start: number): void {
    const w = this.words;
    const view = new DataView(bytes.buffer, bytes.byteOffset + start, BLOCK);
    for (let i = 0; i < 16; i += 1) w[i] = view.getInt32(i * 4);
    for (let i = 16; i < 64; i += 1) {
      const a = w[i - 15]!;
      const b = w[i - 2]!;
      const s0 = turned(a, 7) ^ turned(a, 18) ^ (a >>> 3);
      const s1 = turned(b, 17) ^ turned(b, 19) ^ (b >>> 10);
      w[i] = (w[i - 16]! + s0 + w[i - 7]! + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = this.state as unknown as [number, number, number, number, number, number, number, number];
    for (let i = 0; i < 64; i += 1) {
      const s1 = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
      const first = (h + s1 + ((e & f) ^ (~e & g)) + ROUND[i]! + w[i]!) | 0;
      const s0 = turned(a, 2) ^ turned(a, 13) ^ turned(a, 22);
      const second = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    for (const [place, value] of [a, b, c, d, e, f, g, h].entries()) this.state[place]! += value;
  }
}

function turned(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

function concatenated(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}
