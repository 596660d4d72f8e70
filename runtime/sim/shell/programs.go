package shell

import (
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// programs are what busybox has, as far as containers' commands want it.
var programs map[string]func(c *call) int

func init() {
	nothing := func(*call) int { return 0 }
	programs = map[string]func(c *call) int{
		"busybox": nothing, "sync": nothing, "chown": nothing, "chgrp": nothing, "sysctl": nothing, "stty": nothing,
		"true": nothing, "false": func(*call) int { return 1 },
		"sleep": sleep, "usleep": usleep, "date": date, "hostname": hostname, "uname": uname, "id": id, "whoami": whoami, "nproc": nproc,
		"env": env, "printenv": env, "nohup": prefixed, "nice": prefixed, "setsid": prefixed, "timeout": timeout, "xargs": xargs,
		"ps": ps, "pidof": pidof, "killall": killall, "which": which, "tty": func(c *call) int { c.print("not a tty\n"); return 1 },
		"cat": cat, "tee": tee, "head": head, "tail": tail, "wc": wc, "grep": grep, "tr": tr, "cut": cut, "sort": sorts, "uniq": uniq,
		"seq": seq, "expr": expr, "basename": base, "dirname": base, "yes": yes, "dd": dd, "rev": rev, "sed": sed,
		"touch": touch, "rm": rm, "mkdir": mkdir, "rmdir": rmdir, "ls": ls, "ln": ln, "mv": mv, "cp": cp, "chmod": chmod, "mktemp": mktemp,
		"readlink": readlink, "realpath": readlink, "truncate": truncate, "find": find, "stat": stat,
		"httpd": httpd, "nc": nc, "wget": wget, "nslookup": nslookup, "df": nothing, "mount": nothing, "umount": nothing,
	}
	programs["egrep"] = grep
}

// flags takes letters and their values from a program's arguments: those in
// valued have one.
func (c *call) flags(valued string) (on map[byte]string, rest []string) {
	on = map[byte]string{}
	args := c.args[1:]
	for len(args) > 0 && len(args[0]) > 1 && args[0][0] == '-' {
		word := args[0]
		args = args[1:]
		if word == "--" {
			break
		}
		if strings.HasPrefix(word, "--") {
			continue
		}
		for i := 1; i < len(word); i++ {
			if !strings.Contains(valued, word[i:i+1]) {
				on[word[i]] = ""
				continue
			}
			value := word[i+1:]
			if value == "" && len(args) > 0 {
				value, args = args[0], args[1:]
			}
			on[word[i]] = value
			break
		}
	}
	return on, append(rest, args...)
}

func has(on map[byte]string, letter byte) bool {
	_, ok := on[letter]
	return ok
}

func sleep(c *call) int {
	d, ok := span(c.args[1:])
	if !ok || len(c.args) < 2 {
		return c.fail("invalid number '%s'", strings.Join(c.args[1:], " "))
	}
	c.Proc.sleep(d)
	return 0
}

func usleep(c *call) int {
	if len(c.args) < 2 {
		return 1
	}
	n, err := strconv.Atoi(c.args[1])
	if err != nil {
		return c.fail("invalid number '%s'", c.args[1])
	}
	c.Proc.sleep(time.Duration(n) * time.Microsecond)
	return 0
}

func date(c *call) int {
	now := c.m.Clock.Now().UTC()
	format := "+%a %b %e %H:%M:%S UTC %Y"
	for _, a := range c.args[1:] {
		if strings.HasPrefix(a, "+") {
			format = a
		}
	}
	pad := func(n, width int) string {
		s := strconv.Itoa(n)
		return strings.Repeat("0", max(0, width-len(s))) + s
	}
	day := strconv.Itoa(now.Day())
	if len(day) < 2 {
		day = " " + day
	}
	c.print("%s\n", strings.NewReplacer("%%", "%", "%s", strconv.FormatInt(now.Unix(), 10), "%N", pad(now.Nanosecond(), 9),
		"%Y", strconv.Itoa(now.Year()), "%m", pad(int(now.Month()), 2), "%d", pad(now.Day(), 2), "%H", pad(now.Hour(), 2), "%M", pad(now.Minute(), 2),
		"%S", pad(now.Second(), 2), "%F", now.Format("2006-01-02"), "%T", now.Format("15:04:05"), "%a", now.Format("Mon"), "%b", now.Format("Jan"),
		"%e", day, "%j", pad(now.YearDay(), 3), "%Z", "UTC", "%z", "+0000", "%A", now.Format("Monday"), "%B", now.Format("January"),
		"%y", now.Format("06"), "%D", now.Format("01/02/06"), "%R", now.Format("15:04")).Replace(format[1:]))
	return 0
}

func hostname(c *call) int {
	if slices.Contains(c.args, "-i") {
		c.print("%s\n", c.m.IP)
		return 0
	}
	c.print("%s\n", c.m.Hostname)
	return 0
}

func uname(c *call) int {
	on, _ := c.flags("")
	switch {
	case has(on, 'a'):
		c.print("Linux %s 6.1.0 #1 SMP x86_64 GNU/Linux\n", c.m.Hostname)
	case has(on, 'n'):
		c.print("%s\n", c.m.Hostname)
	case has(on, 'r'):
		c.print("6.1.0\n")
	case has(on, 'm'):
		c.print("x86_64\n")
	default:
		c.print("Linux\n")
	}
	return 0
}

func (c *call) user() string {
	if c.m.UID == 0 {
		return "root"
	}
	return ""
}

func id(c *call) int {
	on, _ := c.flags("")
	switch {
	case has(on, 'u') && has(on, 'n'), has(on, 'g') && has(on, 'n'):
		c.print("%s\n", c.user())
	case has(on, 'u'):
		c.print("%d\n", c.m.UID)
	case has(on, 'g'), has(on, 'G'):
		c.print("%d\n", c.m.GID)
	case c.m.UID == 0:
		c.print("uid=0(root) gid=%d(root)\n", c.m.GID)
	default:
		c.print("uid=%d gid=%d\n", c.m.UID, c.m.GID)
	}
	return 0
}

func whoami(c *call) int {
	if c.user() == "" {
		return c.fail("unknown uid %d", c.m.UID)
	}
	c.print("%s\n", c.user())
	return 0
}

func nproc(c *call) int { c.print("1\n"); return 0 }

// env shows the environment, or runs a program with more of it.
func env(c *call) int {
	set := slices.Clone(c.env)
	args := c.args[1:]
	if c.args[0] == "printenv" && len(args) > 0 {
		value := c.getenv(args[0])
		if value == "" {
			return 1
		}
		c.print("%s\n", value)
		return 0
	}
	for len(args) > 0 && (args[0] == "-i" || strings.Contains(args[0], "=")) {
		if args[0] == "-i" {
			set = nil
		} else {
			set = append(set, args[0])
		}
		args = args[1:]
	}
	if len(args) > 0 {
		return c.follow(args, set)
	}
	last := map[string]string{}
	for _, pair := range set {
		name, _, _ := strings.Cut(pair, "=")
		last[name] = pair
	}
	for _, pair := range set {
		name, _, _ := strings.Cut(pair, "=")
		if last[name] == pair {
			c.print("%s\n", pair)
		}
	}
	return 0
}

// prefixed runs the program after it: nohup, nice.
func prefixed(c *call) int {
	args := c.args[1:]
	for len(args) > 0 && strings.HasPrefix(args[0], "-") {
		if args[0] == "-n" && len(args) > 1 {
			args = args[1:]
		}
		args = args[1:]
	}
	if len(args) == 0 {
		return 1
	}
	return c.follow(args, c.env)
}

// timeout [-s SIGNAL] SECONDS PROGRAM …
func timeout(c *call) int {
	on, rest := c.flags("sk")
	if len(rest) < 2 {
		return c.fail("usage: timeout SECONDS PROGRAM ARGS")
	}
	d, ok := span(rest[:1])
	if !ok {
		return c.fail("invalid number '%s'", rest[0])
	}
	signal := sigTerm
	if name, given := on['s']; given {
		if n, ok := signalNumber(name); ok {
			signal = n
		}
	}
	fds := c.fds.clone()
	child := c.spawn(rest[1:], func(p *Proc) int {
		defer fds.close()
		return (&call{Proc: p, args: rest[1:], env: c.env, dir: c.dir, fds: fds}).main()
	})
	t := c.m.Clock.AfterFunc(d, func() { child.signal(signal, false) })
	defer t.Stop()
	c.wait(func() bool { return all([]*Proc{child}) })
	code, _ := child.ended()
	if code == 128+signal && signal == sigTerm {
		return 143
	}
	return code
}

// xargs runs a program with what it reads as arguments.
func xargs(c *call) int {
	on, rest := c.flags("nI")
	if len(rest) == 0 {
		rest = []string{"echo"}
	}
	words := strings.Fields(string(c.all(0)))
	run := func(args []string) int {
		return c.follow(args, c.env)
	}
	size := len(words)
	if n, err := strconv.Atoi(on['n']); err == nil && n > 0 {
		size = n
	}
	if holder := on['I']; holder != "" {
		status := 0
		for _, w := range words {
			args := slices.Clone(rest)
			for i := range args {
				args[i] = strings.ReplaceAll(args[i], holder, w)
			}
			status = max(status, run(args))
		}
		return status
	}
	status := 0
	for i := 0; i == 0 || i < len(words); i += max(size, 1) {
		status = max(status, run(append(slices.Clone(rest), words[i:min(i+size, len(words))]...)))
	}
	return status
}

func ps(c *call) int {
	c.print("PID   USER     TIME  COMMAND\n")
	for _, p := range c.m.list() {
		c.print("%5d %-8s  0:00 %s\n", p.pid, c.user(), p.title())
	}
	return 0
}

func (p *Proc) title() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.command, " ")
}

func pidof(c *call) int {
	var out []string
	for _, p := range slices.Backward(c.m.list()) {
		if name, _, _ := strings.Cut(p.title(), " "); p != c.Proc && slices.Contains(c.args[1:], path.Base(name)) {
			out = append(out, strconv.Itoa(p.pid))
		}
	}
	if len(out) == 0 {
		return 1
	}
	c.print("%s\n", strings.Join(out, " "))
	return 0
}

func killall(c *call) int {
	signal, args, status := sigTerm, c.args[1:], 1
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		n, ok := signalNumber(args[0][1:])
		if !ok {
			return c.fail("bad signal name '%s'", args[0][1:])
		}
		signal, args = n, args[1:]
	}
	for _, p := range c.m.list() {
		if name, _, _ := strings.Cut(p.title(), " "); slices.Contains(args, path.Base(name)) {
			p.signal(signal, false)
			status = 0
		}
	}
	c.alive()
	return status
}

func which(c *call) int {
	status := 0
	for _, name := range c.args[1:] {
		if _, err := c.m.Look(name); err != nil || !known(name) {
			status = 1
			continue
		}
		c.print("/bin/%s\n", name)
	}
	return status
}

// nslookup knows the pod itself.
func nslookup(c *call) int {
	if len(c.args) > 1 && c.local(c.args[1]) {
		c.print("Name:\t%s\nAddress: %s\n", c.args[1], c.m.IP)
		return 0
	}
	c.print("** server can't find %s: NXDOMAIN\n", strings.Join(c.args[1:], " "))
	return 1
}

// save writes a file as a whole.
func (c *call) save(name string, data []byte) int {
	h, err := c.openFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return c.fail("can't open '%s': %s", name, words(err))
	}
	defer h.release()
	if _, err := h.write(c.Proc, data); err != nil {
		return c.fail("write error: %s", words(err))
	}
	return 0
}
