// Package shell runs a container's command in memory: sh and its scripts, and the
// programs that busybox has, on files that only exist in memory.
//
// A [Machine] is one container's inside: its files, its processes, its memory. A
// process that only waits for a time to pass is a timer; one that does anything
// is a goroutine, which lets a virtual clock jump whenever it waits.
//
//	runtime/sim ──Start──▶ Machine ──▶ Proc 1: sh -c … ──fork──▶ Proc 2: sleep 3600 &
//	            ◀──exit──             ▲ signals, as the kernel hands them out
//
// The grammar and the expansion of words are mvdan.cc/sh's. Its interpreter is not
// used: a container's shell has traps for signals, process numbers, and a clock
// that is not the machine's.
package shell
