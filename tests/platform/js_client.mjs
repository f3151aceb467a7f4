// RunPod's JavaScript client, driven from a test: reads one JSON object a line, {"number", "call",
// "arguments"}, and writes {"number", "value"} or {"number", "error", "status"} for each; a stream
// also writes {"number", "chunk", "ms"} for each chunk as it comes. Calls run side by side.
//
//   node js_client.mjs PACKAGE BASE_URL KEY ENDPOINT
import readline from "node:readline";
import path from "node:path";
import { pathToFileURL } from "node:url";

console.log = console.error; // the package prints what it waits for

const [folder, baseUrl, key, name] = process.argv.slice(2);
const main = path.join(folder, "dist/src/index.js");
const { default: runpodSdk } = await import(pathToFileURL(main));
const endpoint = runpodSdk(key, { baseUrl }).endpoint(name);

const write = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");

const calls = {
  async stream(number, id, timeout) {
    const begun = Date.now();
    const all = [];
    for await (const chunk of endpoint.stream(id, timeout)) {
      all.push(chunk.output);
      write({ number, chunk: chunk.output, ms: Date.now() - begun });
    }
    return all;
  },
};

const answer = async ({ number, call, arguments: given }) => {
  try {
    const value = calls[call]
      ? await calls[call](number, ...given)
      : await endpoint[call](...given);
    write({ number, value: value ?? null });
  } catch (error) {
    write({ number, error: String(error), status: error?.response?.status ?? null });
  }
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  void answer(JSON.parse(line));
}
process.exit(0); // whatever is still waited for: the test is over
