/* SPDX-License-Identifier: MIT */
#include "agent/unwind.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#if defined(__x86_64__)

/* struct dl_find_object (dlfcn.h of glibc 2.35), whose fields an older header lacks. */
struct found_object {
    unsigned long long flags;
    void *map_start, *map_end;
    const struct link_map *map;
    void *eh_frame; /* where .eh_frame_hdr is */
    unsigned long long reserved[7];
};

static int (*find_object)(void *, struct found_object *);

void gt_agent_unwind_init(void)
{
    *(void **)&find_object = dlsym(RTLD_DEFAULT, "_dl_find_object");
}

/* Numbers of registers (System V ABI of x86-64, figure 3.36). */
enum { RBP = 6, RSP = 7, RETURN = 16, REGISTERS = 17 };

enum {
    /* Pointer encodings (DW_EH_PE_*): signed 4 bytes relative to their own place; unsigned 4
     * bytes; signed 4 bytes relative to the table. Linkers write no others for x86-64. */
    RELATIVE = 0x1b,
    PLAIN_COUNT = 0x03,
    RELATIVE_TABLE = 0x3b,
    /* Bytes read of the two descriptions of a function: longer ones are rare. */
    DESCRIPTION_MAX = 1024,
    STATES_MAX = 8, /* of DW_CFA_remember_state */
};

enum how { UNSAVED, UNDEFINED, AT_OFFSET, IS_OFFSET, IN_REGISTER };

struct rule {
    enum how how;
    int64_t offset; /* from the canonical frame address; or a register's number */
};

/* What the tables say of one place in a function. */
struct row {
    uint64_t base; /* register that the canonical frame address is counted from, … */
    int64_t offset;
    bool computed; /* … or it takes an expression, which is not evaluated */
    struct rule rules[REGISTERS];
};

struct registers {
    uint64_t values[REGISTERS];
    bool known[REGISTERS];
};

/* Bytes of a description, read so far; `bad` when they ended too early. */
struct bytes {
    const uint8_t *at, *end;
    bool bad;
};

struct machine {
    uint64_t code_align;
    int64_t data_align;
    uint64_t location;
    struct row row, initial, states[STATES_MAX];
    unsigned state_count;
    bool is_signal, failed;
};

static bool read_memory(int memory, uint64_t address, void *data, size_t size)
{
    return address <= INT64_MAX && pread(memory, data, size, (off_t)address) == (ssize_t)size;
}

static uint64_t take(struct bytes *bytes, size_t size)
{
    uint64_t value = 0;

    if ((size_t)(bytes->end - bytes->at) < size) {
        bytes->bad = true;
        return 0;
    }
    memcpy(&value, bytes->at, size);
    bytes->at += size;
    return value;
}

/* LEB128; `sign`: the last byte's sign goes on. */
static uint64_t take_leb(struct bytes *bytes, bool sign)
{
    uint64_t value = 0, byte;
    unsigned shift = 0;

    do {
        byte = take(bytes, 1);
        if (shift < 64)
            value |= (byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80 && !bytes->bad);
    if (sign && byte & 0x40 && shift < 64)
        value |= ~UINT64_C(0) << shift;
    return value;
}

static uint64_t take_unsigned(struct bytes *bytes)
{
    return take_leb(bytes, false);
}

static int64_t take_signed(struct bytes *bytes)
{
    return (int64_t)take_leb(bytes, true);
}

static void skip(struct bytes *bytes, uint64_t size)
{
    if (size > (uint64_t)(bytes->end - bytes->at))
        bytes->bad = true;
    else
        bytes->at += size;
}

static void set_rule(struct machine *machine, uint64_t number, enum how how, int64_t offset)
{
    if (number < REGISTERS)
        machine->row.rules[number] = (struct rule){how, offset};
}

static void set_base(struct machine *machine, uint64_t base, int64_t offset)
{
    machine->row.base = base;
    machine->row.offset = offset;
    machine->row.computed = false;
}

static void restore(struct machine *machine, uint64_t number)
{
    if (number < REGISTERS)
        machine->row.rules[number] = machine->initial.rules[number];
}

static void remember(struct machine *machine)
{
    if (machine->state_count == STATES_MAX)
        machine->failed = true;
    else
        machine->states[machine->state_count++] = machine->row;
}

static void recall(struct machine *machine)
{
    if (machine->state_count == 0)
        machine->failed = true;
    else
        machine->row = machine->states[--machine->state_count];
}

/* Operations that say where a register is; the others return false. */
static bool run_rule(struct machine *machine, struct bytes *bytes, uint64_t operation)
{
    uint64_t number;

    switch (operation) {
    case 0x05: /* DW_CFA_offset_extended */
        number = take_unsigned(bytes);
        set_rule(machine, number, AT_OFFSET,
                 (int64_t)take_unsigned(bytes) * machine->data_align);
        return true;
    case 0x11: /* DW_CFA_offset_extended_sf */
        number = take_unsigned(bytes);
        set_rule(machine, number, AT_OFFSET, take_signed(bytes) * machine->data_align);
        return true;
    case 0x14: /* DW_CFA_val_offset */
        number = take_unsigned(bytes);
        set_rule(machine, number, IS_OFFSET,
                 (int64_t)take_unsigned(bytes) * machine->data_align);
        return true;
    case 0x06: /* DW_CFA_restore_extended */
        restore(machine, take_unsigned(bytes));
        return true;
    case 0x07: /* DW_CFA_undefined */
        set_rule(machine, take_unsigned(bytes), UNDEFINED, 0);
        return true;
    case 0x08: /* DW_CFA_same_value */
        set_rule(machine, take_unsigned(bytes), UNSAVED, 0);
        return true;
    case 0x09: /* DW_CFA_register */
        number = take_unsigned(bytes);
        set_rule(machine, number, IN_REGISTER, (int64_t)take_unsigned(bytes));
        return true;
    case 0x10: /* DW_CFA_expression */
    case 0x16: /* DW_CFA_val_expression */
        set_rule(machine, take_unsigned(bytes), UNDEFINED, 0);
        skip(bytes, take_unsigned(bytes));
        return true;
    default:
        return false;
    }
}

/* Those that say where the canonical frame address is, likewise. */
static bool run_base(struct machine *machine, struct bytes *bytes, uint64_t operation)
{
    uint64_t number;

    switch (operation) {
    case 0x0c: /* DW_CFA_def_cfa */
        number = take_unsigned(bytes);
        set_base(machine, number, (int64_t)take_unsigned(bytes));
        return true;
    case 0x12: /* DW_CFA_def_cfa_sf */
        number = take_unsigned(bytes);
        set_base(machine, number, take_signed(bytes) * machine->data_align);
        return true;
    case 0x0d: /* DW_CFA_def_cfa_register */
        set_base(machine, take_unsigned(bytes), machine->row.offset);
        return true;
    case 0x0e: /* DW_CFA_def_cfa_offset */
        set_base(machine, machine->row.base, (int64_t)take_unsigned(bytes));
        return true;
    case 0x13: /* DW_CFA_def_cfa_offset_sf */
        set_base(machine, machine->row.base, take_signed(bytes) * machine->data_align);
        return true;
    case 0x0f: /* DW_CFA_def_cfa_expression */
        machine->row.computed = true;
        skip(bytes, take_unsigned(bytes));
        return true;
    case 0x2e: /* DW_CFA_GNU_args_size */
        take_unsigned(bytes);
        return true;
    default:
        return false;
    }
}

static void run_other(struct machine *machine, struct bytes *bytes, uint64_t operation)
{
    switch (operation) {
    case 0x00: /* DW_CFA_nop */
        break;
    case 0x02: /* DW_CFA_advance_loc1 */
    case 0x03:
    case 0x04:
        machine->location += take(bytes, (size_t)1 << (operation - 2)) * machine->code_align;
        break;
    case 0x0a: /* DW_CFA_remember_state */
        remember(machine);
        break;
    case 0x0b: /* DW_CFA_restore_state */
        recall(machine);
        break;
    default:
        machine->failed = true;
    }
}

/* Run the operations up to the row of `pc`. */
static void run(struct machine *machine, struct bytes *bytes, uint64_t pc)
{
    while (bytes->at < bytes->end && !bytes->bad && !machine->failed) {
        uint64_t operation = take(bytes, 1), low = operation & 0x3f;

        if (operation >> 6 == 1) /* DW_CFA_advance_loc */
            machine->location += low * machine->code_align;
        else if (operation >> 6 == 2) /* DW_CFA_offset */
            set_rule(machine, low, AT_OFFSET,
                     (int64_t)take_unsigned(bytes) * machine->data_align);
        else if (operation >> 6 == 3) /* DW_CFA_restore */
            restore(machine, low);
        else if (!run_rule(machine, bytes, operation) && !run_base(machine, bytes, operation))
            run_other(machine, bytes, operation);
        if (machine->location > pc)
            return;
    }
    machine->failed |= bytes->bad;
}

/* The bytes of an entry behind its length; false: there is none, or it is too long. */
static bool read_entry(int memory, uint64_t address, uint8_t data[DESCRIPTION_MAX],
                       struct bytes *bytes)
{
    uint32_t length;

    if (!read_memory(memory, address, &length, sizeof(length)) || length < 4 ||
        length > DESCRIPTION_MAX || !read_memory(memory, address + 4, data, length))
        return false;
    *bytes = (struct bytes){data, data + length, false};
    return true;
}

/* Size of a pointer by the format in its encoding (DW_EH_PE_udata4, sdata4, …); 0: not known.
 */
static size_t pointer_size(uint64_t encoding)
{
    switch (encoding & 0x7) {
    case 0x3:
        return 4;
    case 0x0:
    case 0x4:
        return 8;
    default:
        return 0;
    }
}

/* What the letters of an augmentation stand for; false: one is not known. */
static bool take_augmentation(struct machine *machine, const char *letters, struct bytes *bytes)
{
    uint64_t encoding = 0;
    size_t size;

    for (; *letters; letters++) {
        if (*letters == 'R') {
            encoding = take(bytes, 1);
        } else if (*letters == 'L') {
            take(bytes, 1);
        } else if (*letters == 'P' && (size = pointer_size(take(bytes, 1)))) {
            take(bytes, size);
        } else if (*letters == 'S') {
            machine->is_signal = true;
        } else {
            return false;
        }
    }
    return encoding == RELATIVE;
}

/* The description that functions share (CIE). */
static bool run_common(struct machine *machine, int memory, uint64_t address)
{
    uint8_t data[DESCRIPTION_MAX];
    struct bytes bytes, letters;
    char augmentation[8];
    uint64_t version, length;
    size_t i = 0;

    if (!read_entry(memory, address, data, &bytes) || take(&bytes, 4) != 0)
        return false;
    version = take(&bytes, 1);
    while ((augmentation[i] = (char)take(&bytes, 1)))
        if (++i == sizeof(augmentation))
            return false;
    if (augmentation[0] != 'z')
        return false;
    machine->code_align = take_unsigned(&bytes);
    machine->data_align = take_signed(&bytes);
    if ((version == 1 ? take(&bytes, 1) : take_unsigned(&bytes)) != RETURN)
        return false;
    length = take_unsigned(&bytes);
    letters = bytes;
    skip(&bytes, length);
    if (bytes.bad || !take_augmentation(machine, augmentation + 1, &letters))
        return false;
    run(machine, &bytes, UINT64_MAX);
    machine->initial = machine->row;
    return !machine->failed;
}

/* Where the description of the function that has `pc` is (FDE); 0: there is none. */
static uint64_t find_description(int memory, uint64_t table, uint64_t pc)
{
    struct {
        uint8_t version, frame_encoding, count_encoding, table_encoding;
        int32_t frame;
        uint32_t count;
    } head;
    struct {
        int32_t start, description;
    } entry = {0, 0}, found = {0, 0};
    uint32_t low = 0, high;
    int64_t relative = (int64_t)(pc - table);

    if (!read_memory(memory, table, &head, sizeof(head)) || head.version != 1 ||
        head.count_encoding != PLAIN_COUNT || head.table_encoding != RELATIVE_TABLE)
        return 0;
    for (high = head.count; low < high;) {
        uint32_t middle = low + (high - low) / 2;

        if (!read_memory(memory, table + sizeof(head) + (uint64_t)middle * sizeof(entry),
                         &entry, sizeof(entry)))
            return 0;
        if (entry.start <= relative) {
            found = entry;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low ? table + (uint64_t)(int64_t)found.description : 0;
}

/* What the tables say of `pc`. */
static bool find_row(struct machine *machine, int memory, uint64_t table, uint64_t pc)
{
    uint64_t address = find_description(memory, table, pc), start, length;
    uint8_t data[DESCRIPTION_MAX];
    struct bytes bytes;

    if (!address || !read_entry(memory, address, data, &bytes))
        return false;
    *machine = (struct machine){0};
    if (!run_common(machine, memory, address + 4 - take(&bytes, 4)))
        return false;
    start = address + 8 + (uint64_t)(int64_t)(int32_t)take(&bytes, 4);
    length = take(&bytes, 4);
    skip(&bytes, take_unsigned(&bytes));
    if (bytes.bad || pc < start || pc - start >= length)
        return false;
    machine->location = start;
    run(machine, &bytes, pc);
    return !machine->failed && !machine->row.computed && machine->row.base < REGISTERS;
}

static void recover(const struct registers *inner, const struct row *row, unsigned number,
                    uint64_t frame, int memory, struct registers *outer)
{
    const struct rule *rule = &row->rules[number];
    uint64_t place = frame + (uint64_t)rule->offset;

    outer->known[number] = false;
    switch (rule->how) {
    case UNSAVED:
        outer->known[number] = inner->known[number] && number != RETURN;
        outer->values[number] = inner->values[number];
        break;
    case AT_OFFSET:
        outer->known[number] = read_memory(memory, place, &outer->values[number], 8);
        break;
    case IS_OFFSET:
        outer->known[number] = true;
        outer->values[number] = place;
        break;
    case IN_REGISTER:
        if ((uint64_t)rule->offset < REGISTERS) {
            outer->known[number] = inner->known[rule->offset];
            outer->values[number] = inner->values[rule->offset];
        }
        break;
    case UNDEFINED:
        break;
    }
}

/* The registers of the caller; false: they cannot be told, or there is none. */
static bool go_outwards(struct registers *registers, const struct row *row, int memory)
{
    struct registers outer;
    uint64_t frame = registers->values[row->base] + (uint64_t)row->offset;

    if (!registers->known[row->base] || frame <= registers->values[RSP])
        return false;
    for (unsigned i = 0; i < REGISTERS; i++)
        recover(registers, row, i, frame, memory, &outer);
    outer.known[RSP] = true;
    outer.values[RSP] = frame;
    *registers = outer;
    return registers->known[RETURN] && registers->values[RETURN];
}

unsigned gt_agent_unwind(uint64_t pc, uint64_t sp,
                         struct gt_agent_frame frames[GT_AGENT_FRAMES_MAX])
{
    struct registers registers = {.values = {[RSP] = sp, [RETURN] = pc},
                                  .known = {[RSP] = true, [RETURN] = true}};
    int memory = find_object ? open("/proc/self/mem", O_RDONLY | O_CLOEXEC) : -1;
    struct found_object object;
    struct machine machine;
    bool at_call = false; /* the program counter is behind a call: the call is before it */
    unsigned count = 0;

    while (memory >= 0 && count < GT_AGENT_FRAMES_MAX) {
        pc = registers.values[RETURN] - at_call;
        if (find_object((void *)(uintptr_t)pc, &object) || !object.map)
            break;
        frames[count++] =
            (struct gt_agent_frame){object.map->l_name, pc - (uint64_t)object.map->l_addr};
        if (!object.eh_frame ||
            !find_row(&machine, memory, (uint64_t)(uintptr_t)object.eh_frame, pc) ||
            !go_outwards(&registers, &machine.row, memory))
            break;
        at_call = !machine.is_signal;
    }
    if (memory >= 0)
        close(memory);
    return count;
}

#else

void gt_agent_unwind_init(void)
{
}

unsigned gt_agent_unwind(uint64_t pc, uint64_t sp,
                         struct gt_agent_frame frames[GT_AGENT_FRAMES_MAX])
{
    (void)pc;
    (void)sp;
    (void)frames;
    return 0;
}

#endif
