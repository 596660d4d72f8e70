package pause

import (
	"bytes"
	"encoding/binary"
)

// The program, for every processor:
//
//	rt_sigaction(SIGCHLD, {SIG_IGN}, NULL, 8)        // the kernel reaps children itself
//	rt_sigprocmask(SIG_BLOCK, {SIGINT, SIGTERM}, NULL, 8)
//	do { r = rt_sigtimedwait({SIGINT, SIGTERM}, NULL, NULL, 8) } while (r <= 0)
//	exit_group(0)
//
// The two signals are blocked and waited for, not handled: the first process of
// a PID namespace never sees a signal with its default action, but a blocked
// signal is kept for it. Behind the code stand the two tables it points to.
const (
	sigInt, sigTerm, sigChld = 2, 15, 17
	setSize                  = 8  // bytes of a kernel signal set
	actionSize               = 32 // bytes of a kernel struct sigaction, at most
	sigIgn                   = 1  // as sa_handler
	waitFor                  = 1<<(sigInt-1) | 1<<(sigTerm-1)
	headerSize               = 64 + 56 // ELF header, one program header
	base                     = 0x400000
)

// An emitter writes code that will stand at address at, with the struct
// sigaction at action and the signal set at set.
type emitter func(at, action, set uint64) []byte

const (
	machineAMD64 = 62  // EM_X86_64
	machineARM64 = 183 // EM_AARCH64
)

// executable is an ELF file with one segment that is read and executed.
func executable(machine uint16, emit emitter) []byte {
	const entry = base + headerSize
	size := (uint64(len(emit(entry, 0, 0))) + 7) &^ 7
	action, set := entry+size, entry+size+actionSize
	total := headerSize + size + actionSize + setSize

	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			// Writing numbers into a bytes.Buffer has no way to fail.
			_ = binary.Write(&b, binary.LittleEndian, v)
		}
	}
	put([]byte("\x7fELF\x02\x01\x01"), make([]byte, 9), // 64 bits, little endian, version 1
		uint16(2), machine, uint32(1), uint64(entry), // ET_EXEC
		uint64(64), uint64(0), uint32(0), // program header's place, no sections, flags
		uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0))
	put(uint32(1), uint32(5), uint64(0), uint64(base), uint64(base), // PT_LOAD, read and execute
		total, total, uint64(0x10000)) // aligned for every page size
	put(emit(entry, action, set))
	put(make([]byte, headerSize+int(size)-b.Len()))
	put(uint64(sigIgn), make([]byte, actionSize-8), uint64(waitFor))
	return b.Bytes()
}

func codeAMD64(_, action, set uint64) []byte {
	var b []byte
	put := func(code ...byte) { b = append(b, code...) }
	imm := func(op byte, v uint64) { b = binary.LittleEndian.AppendUint32(append(b, op), uint32(v)) }
	const toEAX, toESI, toEDI = 0xb8, 0xbe, 0xbf // mov REG, imm32

	imm(toEAX, 13) // rt_sigaction
	imm(toEDI, sigChld)
	imm(toESI, action)
	put(0x31, 0xd2) // xor edx, edx
	put(0x41)
	imm(0xba, setSize) // mov r10d, 8
	put(0x0f, 0x05)    // syscall; keeps all registers but rax, rcx, r11

	imm(toEAX, 14)  // rt_sigprocmask
	put(0x31, 0xff) // xor edi, edi: SIG_BLOCK
	imm(toESI, set)
	put(0x0f, 0x05) // syscall

	wait := len(b)
	imm(toEAX, 128) // rt_sigtimedwait
	imm(toEDI, set)
	put(0x31, 0xf6)                  // xor esi, esi
	put(0x0f, 0x05)                  // syscall
	put(0x85, 0xc0)                  // test eax, eax
	put(0x7e, byte(wait-(len(b)+2))) // jle wait: interrupted, not told to end

	imm(toEAX, 231) // exit_group
	put(0x31, 0xff) // xor edi, edi
	put(0x0f, 0x05) // syscall
	return b
}

func codeARM64(at, action, set uint64) []byte {
	var b []byte
	put := func(code uint32) { b = binary.LittleEndian.AppendUint32(b, code) }
	mov := func(reg, v uint32) { put(0xd2800000 | v<<5 | reg) } // movz Xreg, #v
	adr := func(reg uint32, to uint64) {                        // adr Xreg, to
		off := uint32(to - at - uint64(len(b)))
		put(0x10000000 | off&3<<29 | off>>2&0x7ffff<<5 | reg)
	}
	call := func(number uint32) { mov(8, number); put(0xd4000001) } // svc #0; changes x0 alone

	mov(0, sigChld)
	adr(1, action)
	mov(2, 0)
	mov(3, setSize)
	call(134) // rt_sigaction

	mov(0, 0) // SIG_BLOCK
	adr(1, set)
	call(135) // rt_sigprocmask

	wait := len(b)
	adr(0, set)
	mov(1, 0)
	call(137)       // rt_sigtimedwait
	put(0xf100001f) // cmp x0, #0
	back := uint32(wait-len(b)) >> 2
	put(0x54000000 | back&0x7ffff<<5 | 0xd) // b.le wait

	mov(0, 0)
	call(94) // exit_group
	return b
}
