// Parses texts with go/parser, as gofmt -e does, until stdin ends.
//
// Request: byte count (4 bytes, big endian), text. Answer: byte count, then lines: the text's length, and per error
// "offset TAB TAB message".
package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"go/parser"
	"go/scanner"
	"go/token"
	"io"
	"os"
	"strings"
)

func parse(text []byte) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d\n", len(text))
	_, err := parser.ParseFile(token.NewFileSet(), "", text, parser.AllErrors|parser.SkipObjectResolution)
	switch errors := err.(type) {
	case nil:
	case scanner.ErrorList:
		for _, e := range errors {
			fmt.Fprintf(&out, "%d\t\t%s\n", e.Pos.Offset, strings.Join(strings.Fields(e.Msg), " "))
		}
	default:
		fmt.Fprintf(&out, "0\t\t%s\n", err)
	}
	return out.String()
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		var size uint32
		if binary.Read(in, binary.BigEndian, &size) != nil {
			return
		}
		text := make([]byte, size)
		if _, err := io.ReadFull(in, text); err != nil {
			return
		}
		answer := parse(text)
		binary.Write(out, binary.BigEndian, uint32(len(answer)))
		out.WriteString(answer)
		out.Flush()
	}
}
