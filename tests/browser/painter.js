// A stand-in for Automatic1111: the same picture for the same words, seed and size; how far it is when asked; an interrupt.
// It refuses keys that the real one does not know.

import http from "node:http";
import zlib from "node:zlib";

const KEYS = ["prompt", "negative_prompt", "steps", "cfg_scale", "width", "height", "seed", "override_settings"];

function crc(bytes) {
  let sum = ~0;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
  }
  return ~sum >>> 0;
}

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind), data]);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(data.length);
  const tail = Buffer.alloc(4);
  tail.writeUInt32BE(crc(body));
  return Buffer.concat([head, body, tail]);
}

/** Hills under a sky, in colours of the prompt; where they lie is the seed's. */
export function picture(prompt, seed, width, height) {
  const sum = [...prompt].reduce((sum, letter) => (sum * 31 + letter.codePointAt(0)) % 997, 7);
  const [red, green, blue] = [60 + (sum % 120), 60 + ((sum * 7) % 120), 60 + ((sum * 13) % 120)];
  const rows = Buffer.alloc((width * 3 + 1) * height);
  for (let x = 0; x < width; x += 1) {
    const across = (x / width) * 6;
    const far = height * (0.45 + 0.12 * Math.sin(across + (seed % 31)));
    const near = height * (0.7 + 0.1 * Math.sin(across * 1.7 + (seed % 17)));
    for (let y = 0; y < height; y += 1) {
      const at = y * (width * 3 + 1) + 1 + x * 3;
      const light = y < far ? 1.35 - (0.5 * y) / height : y < near ? 0.75 : 0.45;
      rows[at] = Math.min(255, red * light + (y < far ? 40 : 0));
      rows[at + 1] = Math.min(255, green * light);
      rows[at + 2] = Math.min(255, blue * light + (y < far ? 50 : 0));
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk("IHDR", header), chunk("IDAT", zlib.deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}

/** `requests` are the bodies seen, `interrupts` how often it was told to stop; `hold()` keeps pictures back until `release()`. */
export class Painter {
  requests = [];
  interrupts = 0;
  progress = 0;
  refusal = null;
  #held = null;

  hold() {
    let resolve;
    const promise = new Promise((done) => (resolve = done));
    this.#held = { promise, resolve };
  }

  release() {
    this.#held?.resolve();
    this.#held = null;
  }

  async start() {
    this.server = http.createServer((request, answer) => this.#answer(request, answer));
    await new Promise((done) => this.server.listen(0, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  stop() {
    this.release();
    this.server.closeAllConnections();
    return new Promise((done) => this.server.close(done));
  }

  async #answer(request, answer) {
    const say = (status, body) => {
      answer.writeHead(status, { "Content-Type": "application/json" });
      answer.end(JSON.stringify(body));
    };
    const path = request.url.split("?")[0];
    if (path === "/sdapi/v1/progress") return say(200, { progress: this.progress });
    if (path === "/sdapi/v1/sd-models") return say(200, [{ model_name: "dreamer", title: "dreamer.safetensors" }]);
    if (path === "/sdapi/v1/interrupt") {
      this.interrupts += 1;
      return say(200, null);
    }
    if (path !== "/sdapi/v1/txt2img") return say(404, { detail: "Not Found" });
    const text = await new Promise((done) => {
      let all = "";
      request.on("data", (part) => (all += part)).on("end", () => done(all));
    });
    const body = JSON.parse(text);
    const unknown = Object.keys(body).filter((name) => !KEYS.includes(name));
    if (unknown.length) return say(422, { detail: `extra fields not permitted: ${unknown}` });
    this.requests.push(body);
    if (this.refusal) return say(500, { detail: this.refusal });
    await this.#held?.promise;
    const seed = body.seed ?? 4242 + this.requests.length;
    const bytes = picture(body.prompt, seed, body.width, body.height);
    say(200, { images: [bytes.toString("base64")], parameters: {}, info: JSON.stringify({ seed, sd_model_name: "dreamer" }) });
  }
}
