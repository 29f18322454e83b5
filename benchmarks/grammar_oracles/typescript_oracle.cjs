// Parses texts with the TypeScript compiler's parser until stdin ends: node typescript_oracle.cjs COMPILER FILE-NAME.
//
// COMPILER: path of the npm package "typescript"'s lib/typescript.js. FILE-NAME decides the kind: a.ts or a.tsx.
// Request: byte count (4 bytes, big endian), text. Answer: byte count, then lines: the text's length in UTF-16 units, and
// for each diagnostic of the parser "offset TAB code TAB message", first the one that begins first.
"use strict";
const fs = require("fs");
const ts = require(process.argv[2]);
const name = process.argv[3];

const OPTIONS = { languageVersion: ts.ScriptTarget.Latest, jsDocParsingMode: ts.JSDocParsingMode?.ParseNone };

function parse(text) {
  const found = ts.createSourceFile(name, text, OPTIONS).parseDiagnostics;
  const lines = [...found]
    .sort((a, b) => a.start - b.start)
    .map((d) => {
      const message = ts.flattenDiagnosticMessageText(d.messageText, " ").replace(/\s+/g, " ");
      return `${d.start}\t${d.code}\t${message}`;
    });
  return [String(text.length), ...lines].join("\n") + "\n";
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
