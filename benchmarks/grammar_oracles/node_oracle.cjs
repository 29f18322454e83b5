// Parses texts with V8 as node reads its files, as a CommonJS module and as an ECMAScript module, until stdin ends.
//
// Request: byte count (4 bytes, big endian), text. Answer: byte count, then lines: the text's length in UTF-16 units, and
// for each of the two that refuses it "offset TAB script|module TAB message". V8 stops at the first error.
//
// Run with node --expose-internals --experimental-vm-modules --no-warnings.
"use strict";
const fs = require("fs");
const vm = require("vm");
const { decorateErrorStack } = require("internal/util"); // the place of an error in a module is found nowhere else

const WRAPPER = ["exports", "require", "module", "__filename", "__dirname"]; // what node puts around a CommonJS module
const GOALS = {
  script: (text) => vm.compileFunction(text, WRAPPER, { filename: "t" }),
  module: (text) => new vm.SourceTextModule(text, { identifier: "t" }),
};

// The stack begins with "t:LINE", that line, and carets under the place; none where the text ends too early.
function offsetOf(error, text) {
  decorateErrorStack(error);
  const found = /^t:(\d+)\n(.*)\n([ \t]*)\^/.exec(String(error.stack));
  if (found === null) return text.length;
  let line = Number(found[1]);
  const breaks = /\r\n|[\n\r\u2028\u2029]/g;
  let start = 0;
  for (; line > 1 && breaks.exec(text) !== null; line--) start = breaks.lastIndex;
  return start + found[3].length;
}

function parse(text) {
  const lines = [String(text.length)];
  for (const [goal, compile] of Object.entries(GOALS)) {
    try {
      compile(text);
      break; // one that accepts it is enough
    } catch (error) {
      const message = String(error.message).replace(/\s+/g, " ");
      lines.push(`${offsetOf(error, text)}\t${goal}\t${message}`);
    }
  }
  return lines.join("\n") + "\n";
}

function read(size) {
  const buffer = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const count = fs.readSync(0, buffer, at, size - at, null);
    if (count === 0) return null;
    at += count;
  }
  return buffer;
}

for (let head = read(4); head !== null; head = read(4)) {
  const answer = Buffer.from(parse(read(head.readUInt32BE(0)).toString("utf8")));
  const size = Buffer.alloc(4);
  size.writeUInt32BE(answer.length);
  const out = Buffer.concat([size, answer]);
  for (let at = 0; at < out.length; ) at += fs.writeSync(1, out, at);
}
