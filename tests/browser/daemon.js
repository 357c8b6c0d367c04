// The real daemon, and a real GIMP where a test wants one, with folders of their own; ended by their own ids.

import { execFile, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";

const ROOT = path.resolve(import.meta.dirname, "../..");
const BIN = process.env.GIMP_BRIDGE_BIN ?? path.join(ROOT, "target/debug/gimp-bridge");
const CACHE = process.env.GIMP_BRIDGE_CACHE_DIR ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), ".cache"), "gimp-bridge");
const VERSION = process.env.GIMP_BRIDGE_TEST_GIMP === "3.0" ? "3.0" : "3.2";

export class Daemon {
  #processes = [];

  /** `painter` is declared as its backend, of the kind that has progress; `env` is set on top. */
  constructor({ painter, env = {} } = {}) {
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), "gimp-bridge-browser-"));
    const own = (name) => path.join(this.folder, name);
    const outer = Object.entries(process.env).filter(([name]) => !name.startsWith("GIMP_BRIDGE_"));
    this.env = {
      ...Object.fromEntries(outer), HOME: this.folder, GIMP_BRIDGE_STATE_DIR: own("state"), GIMP_BRIDGE_STORAGE_PATH: own("images"),
      GIMP_BRIDGE_GIMP_EXECUTABLE: path.join(CACHE, `gimp-${VERSION}`),
    };
    if (painter) {
      fs.writeFileSync(own("backends.toml"), `[[backend]]\nname = "home"\nkind = "a1111"\nurl = "${painter.url}"\n`);
      this.env.GIMP_BRIDGE_GENERATE_BACKENDS = own("backends.toml");
    }
    Object.assign(this.env, env);
  }

  /** Serves on this port, or a free one; `url` is where. */
  async start(port = 0) {
    const line = await this.#run(["serve", "--port", `${port}`], /listens on (https?:\/\/\S+)\/mcp/, 30_000);
    this.url = line[1].replace("0.0.0.0", "127.0.0.1");
    return this;
  }

  /** A GIMP without windows; the tests' profile spares it asking each of its plug-ins. */
  async gimp() {
    const profile = path.join(this.folder, "profile");
    fs.cpSync(path.join(CACHE, `gimp-${VERSION}-profile`), profile, { recursive: true });
    const line = await this.#run(["gimp", "--headless", "--profile", profile], /^(\{.*\})/m, 240_000);
    return JSON.parse(line[1]);
  }

  async #run(command, pattern, patience) {
    const log = fs.openSync(path.join(this.folder, `${command[0]}.log`), "w");
    const child = spawn(BIN, command, { cwd: this.folder, env: this.env, stdio: ["ignore", "pipe", log] });
    const gone = new Promise((done) => child.once("close", done));
    this.#processes.push({ child, gone });
    let seen = "";
    return new Promise((done, failed) => {
      const why = (what) => failed(new Error(`${command.join(" ")}: ${what}: ${seen}${this.log(command[0])}`));
      const late = setTimeout(() => why(`no line like ${pattern}`), patience);
      child.on("error", (error) => why(error.message));
      gone.then((code) => why(`ended with ${code}`));
      child.stdout.on("data", (text) => {
        seen += text;
        const match = seen.match(pattern);
        if (match) {
          clearTimeout(late);
          done(match);
        }
      });
    });
  }

  log(name) {
    return fs.readFileSync(path.join(this.folder, `${name}.log`), "utf8");
  }

  /** One request of a program, as no browser sends it. */
  async ask(method, address, body, headers = {}) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const answer = await fetch(this.url + address, { method, headers: { "Content-Type": "application/json", ...headers }, body: text });
    return { status: answer.status, headers: answer.headers, body: await answer.json().catch(() => null) };
  }

  generate(params) {
    return this.ask("POST", "/mcp/v1/tools/generate_image", params);
  }

  /** What an operation finds, by gimp-bridge call in this daemon's state folder. */
  async call(operation, args = {}) {
    // Not in this thread's way: the stand-in answers from it.
    const options = { env: this.env, cwd: this.folder, timeout: 60_000 };
    const { stdout } = await promisify(execFile)(BIN, ["call", operation, JSON.stringify(args)], options);
    return JSON.parse(stdout);
  }

  async stop() {
    await this.halt();
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  /** Ends the daemon and its GIMP; what they stored stays. */
  async halt() {
    for (const { child, gone } of this.#processes.reverse()) {
      child.kill("SIGTERM");
      const late = setTimeout(() => child.kill("SIGKILL"), 20_000);
      await gone;
      clearTimeout(late);
    }
    this.#processes = [];
  }
}
