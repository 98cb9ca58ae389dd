# SPDX-License-Identifier: MIT
# Trace a benchmark when asked to:   make bench GILTRACER=1
#
# In a Makefile:
#
#     include giltracer.mk
#     bench:
#             $(GILTRACE) $(PYTHON) bench.py
#
# Without GILTRACER=1, $(GILTRACE) is empty and the benchmark runs as ever. With it, the report
# and the summary land in GILTRACER_DIR, named after the target, and `make` fails when a
# condition of GILTRACER_FAIL_IF is breached (separate several by commas). Where
# GILTRACER_BASELINE names a summary of an earlier run, the difference is printed.

GILTRACER_PROGRAM ?= giltracer
GILTRACER_DIR ?= .
GILTRACER_OPTIONS ?=
GILTRACER_FAIL_IF ?=
GILTRACER_BASELINE ?=
GILTRACER_REPEAT ?= 1

giltracer_comma := ,
# 'a > 1%,b > 2%' becomes --fail-if 'a > 1%' --fail-if 'b > 2%'
giltracer_conditions = $(if $(GILTRACER_FAIL_IF),--fail-if \
  '$(subst $(giltracer_comma),' --fail-if ',$(GILTRACER_FAIL_IF))')

ifeq ($(GILTRACER),1)
GILTRACE = $(GILTRACER_PROGRAM) $(GILTRACER_OPTIONS) --repeat $(GILTRACER_REPEAT) \
  -o '$(GILTRACER_DIR)/$(@F).html' --summary '$(GILTRACER_DIR)/$(@F).summary.json' \
  $(giltracer_conditions) $(if $(GILTRACER_BASELINE),--baseline '$(GILTRACER_BASELINE)') --
else
GILTRACE =
endif
