/* SPDX-License-Identifier: MIT */
#include "launch/interp.h"

#include "base/fs.h"
#include "launch/cache.h"
#include "launch/elf.h"
#include "launch/tools.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <unistd.h>

enum { ASK_TIMEOUT_MS = 10000, MAX_PATH = 4096 };

/*
 * For Python 2 and 3. Imports only built-in modules, since the working directory leads
 * sys.path. The answer goes straight to the descriptor, after whatever a wrapper printed.
 */
static const char question[] =
    "import sys, posix\n"
    "def tell(key, value):\n"
    "    posix.write(1, key.encode() + b'=' + value + b'\\0')\n"
    "posix.write(1, b'\\0')\n"
    "i = getattr(sys, 'implementation', None)\n"
    "n = i.name if i else ('pypy' if 'PyPy' in sys.version else 'cpython')\n"
    "tell('implementation', n.encode())\n"
    "tell('version', ('%d.%d.%d' % tuple(sys.version_info[:3])).encode())\n"
    "tell('executable', posix.readlink(b'/proc/self/exe'))\n"
    "if 't' in getattr(sys, 'abiflags', ''):\n"
    "    tell('free_threaded', b'1')\n"
    "for line in open('/proc/self/maps', 'rb'):\n"
    "    f = line.rstrip(b'\\n').split(None, 5)\n"
    "    if len(f) == 6 and b'x' in f[1] and f[5][:1] == b'/':\n"
    "        tell('map', f[5])\n"
    "tell('end', b'1')\n";

void gt_interp_init(struct gt_interp *interp)
{
    memset(interp, 0, sizeof(*interp));
    interp->gil_enabled = true;
}

void gt_interp_release(struct gt_interp *interp)
{
    free(interp->command);
    free(interp->executable);
    free(interp->implementation);
    free(interp->libpython);
    free(interp->libc);
    gt_interp_init(interp);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The versioned names of glibc's parts before 2.34 are "libc-2.31.so". */
static bool is_library(const char *path, const char *name)
{
    const char *file = last_part(path);
    size_t length = strlen(name);

    return strncmp(file, name, length) == 0 &&
           (strncmp(file + length, ".so", 3) == 0 ||
            (file[length] == '-' && isdigit((unsigned char)file[length + 1])));
}

static int copy_text(char **to, const char *text, struct gt_error *err)
{
    char *copy = strdup(text);

    if (!copy)
        return gt_error_memory(err);
    free(*to);
    *to = copy;
    return 0;
}

static bool defines_signal(const char *path)
{
    struct gt_elf_symbol symbol;
    struct gt_elf elf;
    bool found;

    if (gt_elf_open(&elf, path, NULL) < 0)
        return false;
    found = gt_elf_find_function(&elf, "pthread_cond_signal", &symbol, NULL) == 0;
    gt_elf_close(&elf);
    return found;
}

/*
 * Where pthread_cond_signal really is. Before glibc 2.34 libc only forwards to libpthread;
 * since then libpthread is an empty shell. musl has everything in its loader.
 */
int gt_interp_take_map(struct gt_interp *interp, const char *path, struct gt_error *err)
{
    if (strncmp(last_part(path), "libpython", 9) == 0)
        return copy_text(&interp->libpython, path, err);
    if (is_library(path, "libpthread"))
        return defines_signal(path) ? copy_text(&interp->libc, path, err) : 0;
    if (is_library(path, "libc") || strncmp(last_part(path), "ld-musl-", 8) == 0)
        return interp->libc ? 0 : copy_text(&interp->libc, path, err);
    return 0;
}

static int take_answer(struct gt_interp *interp, const char *item, bool *complete,
                       struct gt_error *err)
{
    if (strncmp(item, "map=", 4) == 0)
        return gt_interp_take_map(interp, item + 4, err);
    if (strncmp(item, "implementation=", 15) == 0)
        return copy_text(&interp->implementation, item + 15, err);
    if (strncmp(item, "executable=", 11) == 0)
        return copy_text(&interp->executable, item + 11, err);
    if (strncmp(item, "version=", 8) == 0)
        sscanf(item + 8, "%d.%d.%d", &interp->major, &interp->minor, &interp->micro);
    else if (strcmp(item, "free_threaded=1") == 0)
        interp->free_threaded = true;
    else if (strcmp(item, "end=1") == 0)
        *complete = true;
    return 0;
}

int gt_interp_parse(struct gt_interp *interp, const char *text, size_t length,
                    struct gt_error *err)
{
    const char *end = text + length;
    bool complete = false;

    while (text < end) {
        const char *stop = memchr(text, '\0', (size_t)(end - text));
        int rc;

        if (!stop)
            break;
        rc = take_answer(interp, text, &complete, err);
        if (rc < 0)
            return rc;
        text = stop + 1;
    }
    if (!complete || !interp->implementation || !interp->executable)
        return gt_error_set(err, GT_ERR_UNSUPPORTED, "it does not answer like a Python");
    return 0;
}

/* A build without a GIL may still be run with one. */
static void judge_gil(struct gt_interp *interp)
{
    const char *wanted = getenv("PYTHON_GIL");

    interp->gil_enabled = !interp->free_threaded || (wanted && strcmp(wanted, "1") == 0);
}

static int judge(struct gt_interp *interp, struct gt_error *err)
{
    if (strcmp(interp->implementation, "cpython") != 0)
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "%s is %s, not CPython, whose GIL this is about (name a CPython "
                            "with --python)",
                            interp->command, interp->implementation);
    if (interp->major < 3)
        return gt_error_set(
            err, GT_ERR_UNSUPPORTED,
            "%s is Python %d.%d: Python 2 is not supported (name a Python 3 with "
            "--python)",
            interp->command, interp->major, interp->minor);
    if (!interp->libc)
        return gt_error_set(err, GT_ERR_UNSUPPORTED,
                            "%s maps no shared libc: statically linked interpreters cannot be "
                            "probed (name another with --python)",
                            interp->command);
    judge_gil(interp);
    return 0;
}

static const char kind_of_answer[] = "python";

/* What it maps depends on these, too. */
static bool depends_on_files_only(const char *path)
{
    return path[0] == '/' && !getenv("LD_LIBRARY_PATH") && !getenv("LD_PRELOAD") &&
           gt_cache_is_binary(path);
}

/* Has the same file, with the same libraries, answered before? */
static bool recall(struct gt_interp *interp)
{
    struct gt_buf answer;
    bool known;

    gt_buf_init(&answer);
    known = depends_on_files_only(interp->command) &&
            gt_cache_get(kind_of_answer, interp->command, &answer) &&
            gt_interp_parse(interp, answer.data, answer.length, NULL) == 0;
    gt_buf_release(&answer);
    return known;
}

static void remember(const struct gt_interp *interp, const struct gt_buf *answer)
{
    static const char loader_cache[] = "/etc/ld.so.cache"; /* which libraries it finds */
    const char *const files[] = {interp->executable, interp->libpython, interp->libc,
                                 access(loader_cache, F_OK) ? NULL : loader_cache};

    if (depends_on_files_only(interp->command))
        gt_cache_put(kind_of_answer, interp->command, files, 4, answer->data, answer->length);
}

static int ask(struct gt_interp *interp, uv_loop_t *loop, struct gt_error *err)
{
    char *argv[] = {interp->command, "-E", "-s", "-S", "-c", (char *)question, NULL};
    struct gt_error why;
    struct gt_child child;
    char complaint[256];
    int rc;

    if (recall(interp))
        return judge(interp, err);
    rc = gt_tool_run(&child, loop, argv, ASK_TIMEOUT_MS, err);
    if (rc < 0)
        return rc;
    gt_child_complaint(&child, complaint, sizeof(complaint));
    rc = gt_interp_parse(interp, child.out_text.data, child.out_text.length, &why);
    if (rc == 0 && gt_child_succeeded(&child))
        remember(interp, &child.out_text);
    gt_child_release(&child);
    if (rc < 0)
        return gt_error_set(err, why.code, "%s: %s%s%s (name a Python 3 with --python)",
                            interp->command, why.message, complaint[0] ? ": " : "", complaint);
    return judge(interp, err);
}

static int choose(struct gt_interp *interp, const char *named, struct gt_error *err)
{
    const char *environment = getenv("VIRTUAL_ENV");

    if (named) {
        interp->command = gt_tool_find(named);
        if (!interp->command && errno != ENOENT)
            return gt_error_errno(err, "cannot look for the interpreter %s", named);
        if (!interp->command)
            return gt_error_set(err, GT_ERR_NOT_FOUND,
                                "no program %s (--python names an interpreter)", named);
        return 0;
    }
    if (environment && *environment) {
        char path[MAX_PATH];

        if (snprintf(path, sizeof(path), "%s/bin/python", environment) < (int)sizeof(path))
            interp->command = gt_tool_find(path);
        if (interp->command)
            return 0;
    }
    interp->command = gt_tool_find("python3");
    if (!interp->command && errno != ENOENT)
        return gt_error_errno(err, "cannot look for python3 on PATH");
    if (!interp->command)
        return gt_error_set(err, GT_ERR_NOT_FOUND,
                            "no python3 on PATH (apt install python3, or name one with "
                            "--python)");
    return 0;
}

int gt_interp_find(struct gt_interp *interp, uv_loop_t *loop, const char *named,
                   struct gt_error *err)
{
    int rc = choose(interp, named, err);

    return rc < 0 ? rc : ask(interp, loop, err);
}

bool gt_interp_is_python_name(const char *path)
{
    const char *name = last_part(path);

    if (strncmp(name, "python", 6) == 0)
        name += 6;
    else if (strncmp(name, "pypy", 4) == 0)
        name += 4;
    else
        return false;
    name += strspn(name, "0123456789.");
    name += strspn(name, "dmtu");
    return !*name || strcmp(name, "-dbg") == 0;
}

/* The next word of a #! line; false at its end. */
static bool next_word(const char **line, char *word, size_t size)
{
    size_t length;

    *line += strspn(*line, " \t");
    length = strcspn(*line, " \t\r\n");
    if (length == 0 || length >= size)
        return false;
    memcpy(word, *line, length);
    word[length] = '\0';
    *line += length;
    return true;
}

bool gt_interp_parse_shebang(const char *line, char *program, size_t size)
{
    if (!next_word(&line, program, size))
        return false;
    if (strcmp(last_part(program), "env") != 0)
        return true;
    while (next_word(&line, program, size))
        if (program[0] != '-' && !strchr(program, '='))
            return true;
    return false;
}

bool gt_interp_parse_ld_list(const char *text, char *path, size_t size)
{
    bool found = false;

    while (*text && !found) {
        size_t length = strcspn(text, "\n");
        const char *arrow = memmem(text, length, " => ", 4);
        const char *end = memmem(text, length, " (0x", 4);

        if (arrow && end && end > arrow + 4 && (size_t)(end - arrow - 4) < size) {
            snprintf(path, size, "%.*s", (int)(end - arrow - 4), arrow + 4);
            found = path[0] == '/' &&
                    (is_library(path, "libc") || strncmp(last_part(path), "ld-musl-", 8) == 0);
        }
        text += length + (text[length] == '\n');
    }
    return found;
}

/* What the loader says this program maps; false when it is static or no program. */
static bool libc_of_program(const char *program, uv_loop_t *loop, char *path, size_t size)
{
    char loader[MAX_PATH];
    char *argv[] = {loader, "--list", (char *)program, NULL};
    struct gt_child child;
    struct gt_elf elf;
    bool found;

    if (gt_elf_open(&elf, program, NULL) < 0)
        return false;
    found = gt_elf_interpreter(&elf, loader, sizeof(loader), NULL) == 0;
    gt_elf_close(&elf);
    if (!found || strncmp(last_part(loader), "ld", 2) != 0 ||
        gt_tool_run(&child, loop, argv, ASK_TIMEOUT_MS, NULL) < 0)
        return false;
    found = gt_interp_parse_ld_list(child.out_text.data, path, size);
    gt_child_release(&child);
    return found;
}

/* The libc that giltracer itself maps: on most machines all programs map it. */
static bool libc_of_ours(char *path, size_t size)
{
    struct gt_buf maps;
    bool found = false;

    gt_buf_init(&maps);
    if (gt_fs_read("/proc/self/maps", &maps, 1 << 20, NULL) == 0)
        for (char *line = strtok(maps.data, "\n"); line && !found; line = strtok(NULL, "\n")) {
            const char *slash = strchr(line, '/');

            if (!slash)
                continue;
            snprintf(path, size, "%s", slash);
            found = is_library(slash, "libc") || strncmp(last_part(slash), "ld-musl-", 8) == 0;
        }
    gt_buf_release(&maps);
    return found;
}

/* An old libc has the function in the libpthread beside it. */
static int settle_libc(struct gt_interp *interp, const char *libc, struct gt_error *err)
{
    char path[MAX_PATH];
    int folder = (int)(last_part(libc) - libc);

    snprintf(path, sizeof(path), "%.*slibpthread.so.0", folder, libc);
    return copy_text(&interp->libc, defines_signal(path) ? path : libc, err);
}

static bool read_shebang(const char *path, char *program, size_t size)
{
    char line[512] = "";
    FILE *file = fopen(path, "rbe");
    bool found;

    if (!file)
        return false;
    found = fgets(line, sizeof(line), file) && strncmp(line, "#!", 2) == 0 &&
            gt_interp_parse_shebang(line + 2, program, size);
    fclose(file);
    return found;
}

int gt_interp_of_command(struct gt_interp *interp, uv_loop_t *loop, const char *command,
                         struct gt_error *err)
{
    char program[MAX_PATH], libc[MAX_PATH];
    char *path = gt_tool_find(command);

    /* A shim is a script, and yet a Python: so its name is looked at first. */
    if (path && !gt_interp_is_python_name(path) &&
        read_shebang(path, program, sizeof(program))) {
        free(path);
        path = gt_tool_find(program);
    }
    if (path && gt_interp_is_python_name(path)) {
        interp->command = path;
        return ask(interp, loop, err);
    }
    interp->command = strdup(command);
    if (!interp->command) {
        free(path);
        return gt_error_memory(err);
    }
    if (!(path && libc_of_program(path, loop, libc, sizeof(libc))) &&
        !libc_of_ours(libc, sizeof(libc))) {
        free(path);
        return gt_error_set(err, GT_ERR_UNSUPPORTED, "cannot tell which libc %s will map",
                            command);
    }
    free(path);
    return settle_libc(interp, libc, err);
}
