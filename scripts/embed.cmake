# Write OUTPUT, a C file that holds each of FILES as a byte array, and a table of them
# (struct gt_viewer_file, lib/report/viewer.h).
set(text "#include \"report/viewer.h\"\n\n")
set(table "")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  string(MAKE_C_IDENTIFIER ${name} identifier)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND text "static const unsigned char ${identifier}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${name}\", ${identifier}, sizeof(${identifier}) - 1},\n")
endforeach()
string(APPEND text "\nconst struct gt_viewer_file gt_viewer_files[] = {\n${table}    {0, 0, 0},\n};\n")
file(WRITE ${OUTPUT} "${text}")
