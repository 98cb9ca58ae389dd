# SPDX-License-Identifier: MIT
# Write OUTPUT, a C file that holds the page PAGE.html of FILES around its data: TABLE, an array of
# `struct TYPE` of HEADER, a row per part. PARTS names them, by commas; what ends each but the last is
# a mark in the page: MARKS, likewise. Of the report, "head.html" is before the names, "script.html"
# before the tables, then comes "tail.html".
#
# The page is one file that opens from disk, where a browser refuses to import modules. So
# the modules are joined into one script (LAST, which starts it all, at the end) without their
# import and export words, which runs before the browser has read the tables: they share one scope, and a name that two of them declare is a syntax error
# that tests/browser finds. Comments, indentation and empty lines stay here: tests/browser sees that
# no text in quotes looks like one of them. The page allows this script and this style by their
# hashes, and no others.
set(modules "")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  get_filename_component(folder ${file} DIRECTORY)
  if(name MATCHES "\\.js$" AND NOT name STREQUAL LAST)
    list(APPEND modules ${name})
  endif()
endforeach()
list(APPEND modules ${LAST})

function(read_file name variable)
  file(READ ${folder}/${name} text)
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

# Without comments, indentation and empty lines.
function(strip text variable)
  string(REGEX REPLACE "/\\*[^*]*(\\*[^/*][^*]*)*\\*/" "" text "${text}")
  string(REGEX REPLACE "[\n ]+//[^\n]*" "" text "${text}")
  string(REGEX REPLACE "[ \n]*\n *" "\n" text "${text}")
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

# Base64 of the SHA-256 of `text`, as Content-Security-Policy wants it.
function(hash_of text variable)
  set(digits "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  string(SHA256 hex "${text}")
  set(base64 "")
  string(APPEND hex "00") # 32 bytes and one of padding make 11 groups of three
  foreach(group RANGE 10)
    math(EXPR at "${group} * 6")
    string(SUBSTRING "${hex}" ${at} 6 bytes)
    foreach(shift 18 12 6 0)
      math(EXPR digit "(0x${bytes} >> ${shift}) & 63")
      string(SUBSTRING "${digits}" ${digit} 1 letter)
      string(APPEND base64 "${letter}")
    endforeach()
  endforeach()
  string(SUBSTRING "${base64}" 0 43 base64)
  set(${variable} "sha256-${base64}=" PARENT_SCOPE)
endfunction()

read_file(${PAGE}.html page)
string(REGEX REPLACE "^<!--[^\n]*-->\n" "" page "${page}") # the licence of this source, not of reports
read_file(${PAGE}.css style)
set(script "")
foreach(module ${modules})
  read_file(${module} text)
  string(REGEX REPLACE "\nimport [^;]*;" "" text "\n${text}")
  string(REPLACE "\nexport " "\n" text "${text}")
  strip("${text}" text)
  string(APPEND script "${text}")
endforeach()
set(script "\"use strict\";{${script}}")
strip("${style}" style)
hash_of("${script}" script_hash)
hash_of("${style}" style_hash)

string(REPLACE "@SCRIPT_HASH@" "${script_hash}" page "${page}")
string(REPLACE "@STYLE_HASH@" "${style_hash}" page "${page}")
string(REPLACE "@STYLE@" "${style}" page "${page}")
string(REPLACE "@SCRIPT@" "${script}" page "${page}")
function(split text mark before after)
  string(FIND "${text}" "${mark}" at)
  string(LENGTH "${mark}" length)
  string(SUBSTRING "${text}" 0 ${at} first)
  math(EXPR at "${at} + ${length}")
  string(SUBSTRING "${text}" ${at} -1 rest)
  set(${before} "${first}" PARENT_SCOPE)
  set(${after} "${rest}" PARENT_SCOPE)
endfunction()

set(code "#include \"${HEADER}\"\n\n")
string(REPLACE "," ";" MARKS "${MARKS}")
string(REPLACE "," ";" PARTS "${PARTS}")
set(table "")
set(rest "${page}")
set(number 0)
foreach(part ${PARTS})
  set(text "${rest}")
  list(LENGTH MARKS marks)
  if(number LESS marks)
    list(GET MARKS ${number} mark)
    split("${rest}" "${mark}" text rest)
  endif()
  string(HEX "${text}" hex)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND code "static const unsigned char part${number}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${part}\", part${number}, sizeof(part${number}) - 1},\n")
  math(EXPR number "${number} + 1")
endforeach()
string(APPEND code "\nconst struct ${TYPE} ${TABLE}[] = {\n${table}    {0, 0, 0},\n};\n")
file(WRITE ${OUTPUT} "${code}")
