/* SPDX-License-Identifier: MIT */
#include "first_word.h"

#include "common/exit_status.h"
#include "launch/interp.h"
#include "launch/tools.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind {
    KIND_TEXT,    /* whatever it is, no program of its own: a script for the interpreter */
    KIND_PYTHON,  /* runs as a command: an interpreter, or a script that names one */
    KIND_PROGRAM, /* another program */
};

static bool ends_in_py(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && strncmp(dot, ".py", 3) == 0; /* .py, .pyw, .pyc, .pyz */
}

/* Where the path of an interpreter is too long for a #! line, pip's scripts have a line that is
 * code of the shell and a string of Python's: '''exec' "/long/path/python" "$0" "$@". */
static bool executes_python(const char *line)
{
    static const char begins[] = "'''exec' ";
    char program[512];
    bool quoted;

    if (strncmp(line, begins, sizeof(begins) - 1) != 0)
        return false;
    line += sizeof(begins) - 1;
    quoted = *line == '"';
    line += quoted;
    snprintf(program, sizeof(program), "%.*s", (int)strcspn(line, quoted ? "\"" : " "), line);
    return gt_interp_is_python_name(program);
}

static enum kind kind_of_script(FILE *file, const char *first)
{
    char program[512], second[1024];

    if (!gt_interp_parse_shebang(first + 2, program, sizeof(program)))
        return KIND_PROGRAM;
    if (gt_interp_is_python_name(program))
        return KIND_PYTHON;
    return fgets(second, sizeof(second), file) && executes_python(second) ? KIND_PYTHON
                                                                          : KIND_PROGRAM;
}

/* Of an executable file. One that is called python is one, also where it is a shim. */
static enum kind kind_of(const char *path)
{
    char first[512] = "";
    enum kind kind = KIND_TEXT;
    FILE *file;

    if (gt_interp_is_python_name(path))
        return KIND_PYTHON;
    file = fopen(path, "rbe");
    if (!file)
        return KIND_TEXT;
    if (fgets(first, sizeof(first), file) && strncmp(first, "#!", 2) == 0)
        kind = kind_of_script(file, first);
    else if (strncmp(first, "\177ELF", 4) == 0)
        kind = KIND_PROGRAM;
    fclose(file);
    return kind;
}

/* Is the word a file or a program's folder here? */
static bool is_here(const char *word)
{
    char inside[4096];
    struct stat st;

    if (strchr(word, '/'))
        return true;
    if (stat(word, &st))
        return false;
    snprintf(inside, sizeof(inside), "%s/__main__.py", word);
    return !S_ISDIR(st.st_mode) || access(inside, F_OK) == 0;
}

static int replace_first(struct gt_cli *cli, const char *word, struct gt_error *err)
{
    char *copy = strdup(word);

    if (!copy)
        return gt_error_memory(err);
    free(cli->words.items[0]);
    cli->words.items[0] = copy;
    return 0;
}

static int refuse_unknown(const struct gt_cli *cli, int *status, struct gt_error *err)
{
    const char *word = cli->words.items[0];

    *status = GT_EXIT_NOT_FOUND;
    if (access(word, F_OK) == 0)
        return gt_error_set(err, GT_ERR_NOT_FOUND,
                            "%s is a folder without __main__.py: name a script", word);
    return gt_error_set(err, GT_ERR_NOT_FOUND,
                        "%s is neither a file here nor a command on PATH (a module is run by: "
                        "giltracer -m %s)",
                        word, word);
}

/* `path`: where the program of the first word is. */
static int take_program(struct gt_cli *cli, const char *path, int *status, struct gt_error *err)
{
    const char *word = cli->words.items[0];
    enum kind kind = kind_of(path);

    if (kind == KIND_PROGRAM) {
        *status = GT_EXIT_NOT_EXECUTABLE;
        return gt_error_set(err, GT_ERR_USAGE,
                            "%s is no Python script: did you mean giltracer -- %s?", word,
                            word);
    }
    /* Who names an interpreter, or options of one, wants the script to run in that. */
    if (kind == KIND_PYTHON && (gt_interp_is_python_name(path) ||
                                (!cli->python && !cli->interpreter.count && !cli->viztracer))) {
        cli->target = GT_TARGET_COMMAND;
        if (gt_cli_check_command(cli, err) < 0)
            return GT_ERR_USAGE;
    }
    return replace_first(cli, path, err);
}

int gt_first_word_settle(struct gt_cli *cli, int *status, struct gt_error *err)
{
    const char *word = cli->target == GT_TARGET_SCRIPT ? cli->words.items[0] : NULL;
    char *path, *local = NULL;
    bool here;
    int rc = 0;

    if (!word || strcmp(word, "-") == 0)
        return 0;
    here = is_here(word);
    if (here && !strchr(word, '/') && asprintf(&local, "./%s", word) < 0)
        return gt_error_memory(err);
    path = gt_tool_find(local ? local : word);
    free(local);
    if (path && !ends_in_py(word))
        rc = take_program(cli, path, status, err);
    else if (path && !here)
        rc = replace_first(cli, path, err); /* tool.py on PATH */
    else if (!path && !here)
        rc = refuse_unknown(cli, status, err);
    free(path);
    return rc;
}
