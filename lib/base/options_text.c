/* SPDX-License-Identifier: MIT */
#include "base/options_text.h"

#include "base/width.h"

#include <stdio.h>
#include <string.h>

enum { COLUMNS = 80 };

static bool is_heading(const struct gt_option *option)
{
    return !option->name && !option->letter;
}

/* Does its argument belong to it, and not to the program that is run? */
static bool takes_argument(const struct gt_option *option)
{
    return option->argument && (!option->name || *option->name);
}

static const struct gt_option_values *values_of(const struct gt_program_help *help,
                                                const struct gt_option *option)
{
    for (const struct gt_option_values *each = help->values; option->argument && each->argument;
         each++)
        if (strcmp(each->argument, option->argument) == 0)
            return each;
    return NULL;
}

/* Text with each byte of `special` behind a backslash. */
static int add_escaped(struct gt_buf *text, const char *plain, const char *special)
{
    for (; *plain; plain++)
        if ((strchr(special, *plain) && gt_buf_adds(text, "\\")) || gt_buf_add(text, plain, 1))
            return -1;
    return 0;
}

/* --- --help --- */

/* "usage: NAME …", and the further forms below the first one. */
static int add_usage(const struct gt_program_help *help, struct gt_buf *text)
{
    const char *lead = "usage: ";

    for (const char *line = help->usage; *line; lead = "       ") {
        size_t length = strcspn(line, "\n");

        if (gt_buf_addf(text, "%s%.*s\n", lead, (int)length, line))
            return -1;
        line += length + (line[length] == '\n');
    }
    return 0;
}

static int add_paragraph(const char *paragraph, struct gt_buf *text)
{
    return gt_buf_adds(text, "\n") || gt_text_add_indented(text, paragraph, 0, COLUMNS) ||
                   gt_buf_adds(text, "\n")
               ? -1
               : 0;
}

static int make_first_screen(const struct gt_program_help *help, struct gt_buf *text)
{
    return add_usage(help, text) || add_paragraph(help->description, text) ||
                   gt_buf_adds(text, "\n") || gt_options_help(help->table, true, text) ||
                   gt_buf_adds(text, help->first_screen)
               ? -1
               : 0;
}

static int make_all(const struct gt_program_help *help, struct gt_buf *text)
{
    if (add_usage(help, text) || add_paragraph(help->description, text) ||
        (!is_heading(help->table) && gt_buf_adds(text, "\n")) ||
        gt_options_help(help->table, false, text))
        return -1;
    for (const struct gt_help_section *section = help->sections; section->title; section++)
        if (add_paragraph(section->text, text))
            return -1;
    return 0;
}

/* --- the manual page --- */

/* Text of a man page: nothing in it is a request or an escape sequence. */
static int add_roff(struct gt_buf *text, const char *plain)
{
    for (bool line_begins = true; *plain; line_begins = *plain++ == '\n') {
        if (line_begins && (*plain == '.' || *plain == '\'') && gt_buf_adds(text, "\\&"))
            return -1;
        if (*plain == '\\'  ? gt_buf_adds(text, "\\e")
            : *plain == '-' ? gt_buf_adds(text, "\\-")
                            : gt_buf_add(text, plain, 1))
            return -1;
    }
    return gt_buf_adds(text, "\n");
}

static int add_roff_option(const struct gt_option *option, struct gt_buf *text)
{
    int failed = gt_buf_adds(text, ".TP\n.B ");

    if (option->letter)
        failed |= gt_buf_addf(text, "\\-%c", option->letter);
    if (option->letter && option->name)
        failed |= gt_buf_adds(text, ", ");
    if (option->name)
        failed |= gt_buf_addf(text, "\\-\\-%s",
                              option->flags & GT_OPTION_NEGATABLE ? "[no\\-]" : "") |
                  add_escaped(text, option->name, "-");
    if (option->argument)
        failed |= gt_buf_addf(text, " \\fI%s\\fR", option->argument);
    return failed | gt_buf_adds(text, "\n") | add_roff(text, option->help);
}

static int add_capitals(struct gt_buf *text, const char *name)
{
    for (; *name; name++) {
        char capital = (char)(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);

        if (gt_buf_add(text, &capital, 1))
            return -1;
    }
    return 0;
}

static int make_man(const struct gt_program_help *help, struct gt_buf *text)
{
    int failed =
        gt_buf_adds(text, ".TH ") | add_capitals(text, help->name) |
        gt_buf_addf(text, " 1 \"\" \"giltracer %s\" \"User Commands\"\n", help->version) |
        gt_buf_addf(text, ".SH NAME\n%s \\- ", help->name) | add_roff(text, help->summary) |
        gt_buf_adds(text, ".SH SYNOPSIS\n.nf\n") | add_roff(text, help->usage) |
        gt_buf_adds(text, ".fi\n.SH DESCRIPTION\n") | add_roff(text, help->description) |
        gt_buf_adds(text, ".SH OPTIONS\n");

    for (const struct gt_option *option = help->table; option->help; option++)
        failed |= is_heading(option) ? gt_buf_adds(text, ".SS ") | add_roff(text, option->help)
                                     : add_roff_option(option, text);
    for (const struct gt_help_section *section = help->sections; section->title; section++)
        failed |= gt_buf_addf(text, ".SH %s\n", section->title) | add_roff(text, section->text);
    return failed | gt_buf_adds(text, ".SH SEE ALSO\n") | add_roff(text, help->see_also);
}

/* --- bash --- */

/* All names of an option, as words: "-o --output --no-output". */
static int add_names(const struct gt_option *option, const char *between, bool negative,
                     struct gt_buf *text)
{
    const char *before = "";
    int failed = 0;

    if (option->letter) {
        failed |= gt_buf_addf(text, "-%c", option->letter);
        before = between;
    }
    if (option->name) {
        failed |= gt_buf_addf(text, "%s--%s", before, option->name);
        before = between;
    }
    if (negative && option->flags & GT_OPTION_NEGATABLE)
        failed |= gt_buf_addf(text, "%s--no-%s", before, option->name);
    return failed;
}

/* What follows an option that takes an argument. */
static int add_bash_argument(const struct gt_program_help *help, const struct gt_option *option,
                             struct gt_buf *text)
{
    const struct gt_option_values *values = values_of(help, option);
    int failed = gt_buf_adds(text, "    ") | add_names(option, "|", false, text);

    if (values && values->values)
        return failed | gt_buf_addf(text,
                                    ") COMPREPLY=($(compgen -W '%s' -- \"$word\"));"
                                    " return ;;\n",
                                    values->values);
    return failed |
           gt_buf_adds(text, values ? ") COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
                                    : ") return ;;\n");
}

/* Where options end, bash's own completion goes on. */
static int add_bash_end(const struct gt_program_help *help, struct gt_buf *text)
{
    int failed = gt_buf_adds(text, "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                                   "        case ${COMP_WORDS[i]} in\n");

    for (const struct gt_option *option = help->table; option->help; option++)
        if (!is_heading(option) && option->flags & GT_OPTION_LAST)
            failed |= gt_buf_adds(text, "        ") | add_names(option, "|", false, text) |
                      gt_buf_adds(text, ") return ;;\n");
    failed |= gt_buf_adds(text, "        ");
    for (const struct gt_option *option = help->table; option->help; option++)
        if (!is_heading(option) && takes_argument(option) && !(option->flags & GT_OPTION_LAST))
            failed |= add_names(option, "|", false, text) | gt_buf_adds(text, "|");
    failed |= gt_buf_adds(text, "=) ((i++)) ;;\n        -*) ;;\n");
    if (help->runs_commands)
        failed |= gt_buf_adds(text, "        *) return ;;\n");
    return failed | gt_buf_adds(text, "        esac\n    done\n");
}

static int make_bash(const struct gt_program_help *help, struct gt_buf *text)
{
    int failed = gt_buf_addf(text,
                             "# Completion for bash; made by: %s --help bash\n"
                             "_%s() {\n"
                             "    local word=${COMP_WORDS[COMP_CWORD]} "
                             "before=${COMP_WORDS[COMP_CWORD - 1]} i\n"
                             "    COMPREPLY=()\n",
                             help->name, help->name) |
                 add_bash_end(help, text) | gt_buf_adds(text, "    case $before in\n");

    for (const struct gt_option *option = help->table; option->help; option++)
        if (!is_heading(option) && takes_argument(option))
            failed |= add_bash_argument(help, option, text);
    failed |=
        gt_buf_adds(text, "    esac\n    case $word in\n    -*) COMPREPLY=($(compgen -W '");
    for (const struct gt_option *option = help->table; option->help; option++)
        if (!is_heading(option))
            failed |= add_names(option, " ", true, text) | gt_buf_adds(text, " ");
    failed |= gt_buf_adds(text, "' -- \"$word\")) ;;\n");
    if (help->runs_commands)
        failed |= gt_buf_adds(text, "    *) COMPREPLY=($(compgen -f -- \"$word\") "
                                    "$(compgen -c -- \"$word\")) ;;\n");
    return failed | gt_buf_addf(text, "    esac\n}\ncomplete -o default -F _%s %s\n",
                                help->name, help->name);
}

/* --- zsh --- */

static int add_zsh_spec(const struct gt_program_help *help, const struct gt_option *option,
                        const char *dashes, const char *name, bool argument,
                        struct gt_buf *text)
{
    const struct gt_option_values *values = values_of(help, option);
    int failed = gt_buf_addf(text, "    '*%s%s%s[", dashes, name,
                             !argument   ? ""
                             : dashes[1] ? "="
                                         : "+");

    for (const char *at = option->help; *at; at++)
        failed |= *at == '\''            ? gt_buf_adds(text, "'\\''")
                  : strchr("[]:\\", *at) ? gt_buf_addf(text, "\\%c", *at)
                                         : gt_buf_add(text, at, 1);
    failed |= gt_buf_adds(text, "]");
    if (argument)
        failed |= gt_buf_addf(text, ":%s:", option->argument) |
                  (!values          ? gt_buf_adds(text, " ")
                   : values->values ? gt_buf_addf(text, "(%s)", values->values)
                                    : gt_buf_adds(text, "_files"));
    return failed | gt_buf_adds(text, "' \\\n");
}

static int add_zsh_option(const struct gt_program_help *help, const struct gt_option *option,
                          struct gt_buf *text)
{
    bool argument = takes_argument(option);
    char letter[] = {option->letter, '\0'};
    char negative[80];
    int failed = 0;

    if (option->letter)
        failed |= add_zsh_spec(help, option, "-", letter, argument, text);
    if (option->name && *option->name)
        failed |= add_zsh_spec(help, option, "--", option->name, argument, text);
    if (option->flags & GT_OPTION_NEGATABLE) {
        snprintf(negative, sizeof(negative), "no-%s", option->name);
        failed |= add_zsh_spec(help, option, "--", negative, false, text);
    }
    return failed;
}

static int make_zsh(const struct gt_program_help *help, struct gt_buf *text)
{
    int failed = gt_buf_addf(text,
                             "#compdef %s\n# Completion for zsh; made by: %s --help zsh\n"
                             "_arguments -s -S \\\n",
                             help->name, help->name);

    for (const struct gt_option *option = help->table; option->help; option++)
        if (!is_heading(option))
            failed |= add_zsh_option(help, option, text);
    return failed | gt_buf_adds(text, help->runs_commands
                                          ? "    '1:program:{ _files; _command_names -e }' "
                                            "\\\n    '*::argument:_normal'\n"
                                          : "    '*:file:_files'\n");
}

/* --- fish --- */

static int make_fish(const struct gt_program_help *help, struct gt_buf *text)
{
    int failed =
        gt_buf_addf(text, "# Completion for fish; made by: %s --help fish\n", help->name);

    for (const struct gt_option *option = help->table; option->help; option++) {
        const struct gt_option_values *values = values_of(help, option);

        if (is_heading(option) || (option->name && !*option->name))
            continue;
        failed |= gt_buf_addf(text, "complete -c %s", help->name);
        if (option->letter)
            failed |= gt_buf_addf(text, " -s %c", option->letter);
        if (option->name)
            failed |= gt_buf_addf(text, " -l %s", option->name);
        if (option->argument)
            failed |= !values          ? gt_buf_adds(text, " -x")
                      : values->values ? gt_buf_addf(text, " -x -a '%s'", values->values)
                                       : gt_buf_adds(text, " -r -F");
        failed |= gt_buf_adds(text, " -d '") | add_escaped(text, option->help, "'\\") |
                  gt_buf_adds(text, "'\n");
        if (option->flags & GT_OPTION_NEGATABLE)
            failed |= gt_buf_addf(text, "complete -c %s -l no-%s\n", help->name, option->name);
    }
    if (help->runs_commands)
        failed |= gt_buf_addf(text,
                              "complete -c %s -n __fish_use_subcommand "
                              "-a '(__fish_complete_command)'\n",
                              help->name);
    return failed;
}

int gt_help_make(const struct gt_program_help *help, const char *which, struct gt_buf *text,
                 struct gt_error *err)
{
    static const struct {
        const char *name;
        int (*make)(const struct gt_program_help *help, struct gt_buf *text);
    } forms[] = {{"all", make_all},
                 {"man", make_man},
                 {"bash", make_bash},
                 {"zsh", make_zsh},
                 {"fish", make_fish}};

    if (!which)
        return (help->first_screen ? make_first_screen : make_all)(help, text)
                   ? gt_error_memory(err)
                   : 0;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
        if (strcmp(which, forms[i].name) == 0)
            return forms[i].make(help, text) ? gt_error_memory(err) : 0;
    return gt_error_set(err, GT_ERR_USAGE,
                        "--help takes all (every option), man, bash, zsh or fish, not %s",
                        which);
}
