package script

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
)

// problems are what is wrong with a text, all of it.
type problems struct {
	where string // file, document or annotation
	list  []problem
}

type problem struct {
	line int
	text string
}

func (p *problems) add(n *yaml.Node, at, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if at != "" {
		text = at + ": " + text
	}
	p.list = append(p.list, problem{n.Line, text})
}

// Error lists them, by line.
func (p *problems) Error() string {
	slices.SortStableFunc(p.list, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var out []string
	for _, one := range p.list {
		where := p.where
		if one.line > 0 {
			where += ", line " + strconv.Itoa(one.line)
		}
		out = append(out, where+": "+one.text)
	}
	return strings.Join(out, "\n")
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	return p
}

var (
	durationType = reflect.TypeFor[Duration]()
	quantityType = reflect.TypeFor[resource.Quantity]()
)

// decode reads a node into v, by v's JSON names, and notes every problem.
func (p *problems) decode(n *yaml.Node, at string, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Tag == "!!null" {
		return
	}
	switch v.Type() {
	case durationType:
		p.duration(n, at, v)
		return
	case quantityType:
		p.quantity(n, at, v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		p.decode(n, at, v.Elem())
	case reflect.Struct:
		p.object(n, at, v)
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			p.add(n, at, "want a map, not %s", shown(n))
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for key, value := range p.pairs(n, at) {
			one := reflect.New(v.Type().Elem()).Elem()
			p.decode(value, join(at, key.Value), one)
			v.SetMapIndex(reflect.ValueOf(key.Value), one)
		}
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			p.add(n, at, "want a list, not %s", shown(n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
		for i, item := range n.Content {
			p.decode(item, fmt.Sprintf("%s[%d]", at, i), v.Index(i))
		}
	default:
		p.scalar(n, at, v)
	}
}

func (p *problems) object(n *yaml.Node, at string, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		p.add(n, at, "want fields (%s), not %s", strings.Join(names(fields(v)), ", "), shown(n))
		return
	}
	known := fields(v)
	for key, value := range p.pairs(n, at) {
		field, ok := known[key.Value]
		if !ok {
			p.add(key, join(at, key.Value), "there is no such field; there are %s", strings.Join(names(known), ", "))
			continue
		}
		p.decode(value, join(at, key.Value), field)
	}
}

// pairs are a map's keys with their values, each once.
func (p *problems) pairs(n *yaml.Node, at string) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if seen[key.Value] {
				p.add(key, join(at, key.Value), "is given twice")
				continue
			}
			seen[key.Value] = true
			if !yield(key, n.Content[i+1]) {
				return
			}
		}
	}
}

// fields of a struct by their JSON names, those of embedded ones too.
func fields(v reflect.Value) map[string]reflect.Value {
	out := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, rest, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		switch {
		case name == "-":
		case name == "" && strings.HasPrefix(rest, "inline"):
			maps.Copy(out, fields(v.Field(i)))
		default:
			out[name] = v.Field(i)
		}
	}
	return out
}

func names(m map[string]reflect.Value) []string { return slices.Sorted(maps.Keys(m)) }

func (p *problems) scalar(n *yaml.Node, at string, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		if n.Kind != yaml.ScalarNode {
			p.add(n, at, "want a text, not %s", shown(n))
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		if n.Kind != yaml.ScalarNode || n.Tag != "!!bool" {
			p.add(n, at, "want true or false, not %s", shown(n))
			return
		}
		v.SetBool(strings.EqualFold(n.Value, "true"))
	default: // a number
		i, err := strconv.ParseInt(n.Value, 10, 64)
		if n.Kind != yaml.ScalarNode || n.Tag != "!!int" || err != nil || i > math.MaxInt32 || i < math.MinInt32 {
			p.add(n, at, "want a whole number, not %s", shown(n))
			return
		}
		v.SetInt(i)
	}
}

func (p *problems) duration(n *yaml.Node, at string, v reflect.Value) {
	d, err := time.ParseDuration(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		p.add(n, at, "want a duration such as 5s or 300ms, not %s", shown(n))
	case d < 0:
		p.add(n, at, "%s is negative", n.Value)
	default:
		v.SetInt(int64(d))
	}
}

func (p *problems) quantity(n *yaml.Node, at string, v reflect.Value) {
	q, err := resource.ParseQuantity(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		p.add(n, at, "want a quantity such as 100m or 64Mi, not %s", shown(n))
	case q.Sign() < 0:
		p.add(n, at, "%s is negative", n.Value)
	default:
		v.Set(reflect.ValueOf(q))
	}
}

// shown is a node in a message.
func shown(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a map"
	case yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(n.Value)
}

func join(at, key string) string {
	if at == "" {
		return key
	}
	return at + "." + key
}
