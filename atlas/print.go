package atlas

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// List writes one line for each entry, kind by kind.
func List(out io.Writer, l Language) error {
	all, err := All(l)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, kind := range kinds {
		fmt.Fprintln(&b, l.heads().kind[kind])
		for _, e := range all {
			if e.Kind == kind {
				fmt.Fprintf(&b, "  %-36s %s\n", e.Name, e.Meaning)
			}
		}
		fmt.Fprintln(&b)
	}
	_, err = out.Write(b.Bytes())
	return err
}

// Print writes an entry for people.
func Print(out io.Writer, e *Entry, l Language) error {
	h := l.heads()
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n%s\n", e.title(), e.Meaning)
	part := func(title string, lines ...string) {
		if len(lines) == 0 {
			return
		}
		fmt.Fprintf(&b, "\n%s\n", title)
		for _, line := range lines {
			fmt.Fprintf(&b, "  %s\n", strings.ReplaceAll(strings.TrimRight(line, "\n"), "\n", "\n  "))
		}
	}
	part(h.aliases, e.Aliases...)
	part(h.where, e.Where)
	part(h.by, e.By)
	part(h.causes, e.Causes...)
	part(h.before, e.Before...)
	part(h.after, e.After...)
	part(h.next, e.Next)
	part(h.fix, e.Fix...)
	if e.Example == "" {
		part(h.none, e.How)
	} else {
		part(h.example+" (examples/reasons/"+e.Example+"): "+e.How, e.Manifest)
	}
	if e.Recording != nil {
		part(h.recording, e.Recording.String())
	}
	part(h.source, e.Source...)
	_, err := out.Write(b.Bytes())
	return err
}
