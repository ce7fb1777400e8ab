# Tests, by folder; a label per kind, so that `ctest -L unit` runs one kind.
#
#   test/unit/test_*.c       one cmocka program each, with real cryptography
#   test/unit/sim_test_*.c   the same with the simulator and its cryptography
#   test/paper/test_*.c      one test per claim of the papers; with the simulator
#   test/fuzz/fuzz_*.c       LLVMFuzzerTestOneInput; libFuzzer in the preset `fuzz`, else test/fuzz/driver.c; messages have
#                            targets of their own, made from the table in trusted/wire/messages.h
#   test/e2e/*.sh            whole clusters and real clients; REDOUBT_BIN is where the executables are
#   test/scenario/*.sh       runners of the golden traces beside them
# Simulator seeds, mutants, the explorer and the rules on symbols are ctest tests too.

set(TEST_INCLUDES include trusted protocol host sim apps test test/lib)
set(REAL_PARTS host_client host protocol client_core shell ${FRONTS} troxy ${SPLIT} crypto_sodium)

if(NOT HIREDIS_FOUND OR NOT HTTP_PARSER)
  message(FATAL_ERROR "hiredis or http-parser is missing: run tools/install-deps")
endif()
redoubt_library(test_lib SOURCES test/lib/*.c INCLUDES ${TEST_INCLUDES} DEFINITIONS _GNU_SOURCE
                LINKS PkgConfig::HIREDIS ${HTTP_PARSER} PkgConfig::OPENSSL)

# What `ctest -L KIND` runs of these kinds, and nothing else: the Makefile builds no more than that with a sanitizer.
foreach(kind unit paper fuzz threads)
  add_custom_target(tests_${kind})
endforeach()

# redoubt_tests(LABEL PATTERN LIBRARY...): one cmocka program per file.
function(redoubt_tests label pattern)
  redoubt_glob(files ${pattern})
  if(files AND NOT CMOCKA_FOUND)
    message(FATAL_ERROR "cmocka is missing: run tools/install-deps")
  endif()
  foreach(file ${files})
    get_filename_component(stem ${file} NAME_WE)
    set(target ${label}_${stem})
    add_executable(${target} ${file})
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/test/${label}
                          OUTPUT_NAME ${stem})
    set(definitions _GNU_SOURCE REDOUBT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    if("sim_lib" IN_LIST ARGN)
      list(APPEND definitions REDOUBT_MUTANTS) # as the simulator's libraries are compiled
    endif()
    redoubt_compile(${target} INCLUDES ${TEST_INCLUDES} apps DEFINITIONS ${definitions})
    redoubt_link(${target} test_lib ${ARGN})
    target_link_libraries(${target} PRIVATE PkgConfig::CMOCKA)
    add_dependencies(tests_${label} ${target})
    add_test(NAME ${label}/${stem} COMMAND ${target} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${label}/${stem} PROPERTIES LABELS ${label} TIMEOUT 300
                         ENVIRONMENT "REDOUBT_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  endforeach()
endfunction()

if(NOT REDOUBT_SANITIZE STREQUAL "fuzzer")
  add_library(fuzz_driver OBJECT test/fuzz/driver.c)
  redoubt_compile(fuzz_driver INCLUDES test/fuzz DEFINITIONS _GNU_SOURCE)
endif()

# redoubt_fuzzer(FILE LIBRARY...): test/fuzz/seeds/NAME/ holds the seeds of fuzz_NAME.c.
function(redoubt_fuzzer file)
  get_filename_component(target ${file} NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" noun ${target})
  if(REDOUBT_SANITIZE STREQUAL "fuzzer")
    add_executable(${target} ${file})
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${target} ${file} $<TARGET_OBJECTS:fuzz_driver>)
    add_test(NAME fuzz/${target} COMMAND ${target} ${PROJECT_SOURCE_DIR}/test/fuzz/seeds/${noun})
    set_tests_properties(fuzz/${target} PROPERTIES LABELS fuzz TIMEOUT 120)
    if(noun MATCHES "^(preparation|confirmation|execution|transfer|application_call|broker_.*|.*_conversation|manifest|backup_file|front)$") # slow: keys, or all made anew per input
      set_tests_properties(fuzz/${target} PROPERTIES ENVIRONMENT "DRIVER_RUNS=300")
    endif()
  endif()
  set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  redoubt_compile(${target} INCLUDES ${TEST_INCLUDES} test/fuzz DEFINITIONS _GNU_SOURCE)
  redoubt_link(${target} test_lib ${ARGN})
  add_dependencies(tests_fuzz ${target})
endfunction()

# redoubt_fuzzers(PATTERN LIBRARY...): one target per file.
function(redoubt_fuzzers pattern)
  redoubt_glob(files ${pattern})
  foreach(file ${files})
    redoubt_fuzzer(${file} ${ARGN})
  endforeach()
endfunction()

# redoubt_message_fuzzers(LIBRARY...): one target per line B(TYPE, body) of FRAME_BODIES, so that a new message has its own
# without anybody thinking of it. What each does is in test/fuzz/message.h.
function(redoubt_message_fuzzers)
  set(table ${PROJECT_SOURCE_DIR}/trusted/wire/messages.h)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${table})
  file(READ ${table} text)
  string(REGEX MATCHALL "B\\([A-Z_]+, *[a-z_]+\\)" lines "${text}")
  foreach(line ${lines})
    string(REGEX REPLACE "B\\(([A-Z_]+), *([a-z_]+)\\)" "\\1" FUZZ_TYPE "${line}")
    string(REGEX REPLACE "B\\(([A-Z_]+), *([a-z_]+)\\)" "\\2" FUZZ_BODY "${line}")
    string(TOLOWER ${FUZZ_TYPE} noun)
    set(file ${PROJECT_BINARY_DIR}/fuzz/source/fuzz_${noun}.c)
    file(CONFIGURE OUTPUT ${file} CONTENT "#define FUZZ_TYPE @FUZZ_TYPE@\n#define FUZZ_BODY @FUZZ_BODY@\n#include \"message.h\"\n" @ONLY)
    redoubt_fuzzer(${file} ${ARGN})
  endforeach()
endfunction()

# redoubt_script_test(NAME LABEL COMMAND...): a script, with REDOUBT_BIN and the build directory in its environment. One that
# cannot run here (it needs root, say) exits with 77, and ctest calls it skipped.
function(redoubt_script_test name label)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT 900 SKIP_RETURN_CODE 77
    ENVIRONMENT "REDOUBT_BIN=${CMAKE_RUNTIME_OUTPUT_DIRECTORY};REDOUBT_BUILD=${PROJECT_BINARY_DIR}")
endfunction()

redoubt_fuzzers(test/fuzz/fuzz_*.c ${REAL_PARTS})
redoubt_message_fuzzers(core crypto_sodium)
if(NOT REDOUBT_SANITIZE STREQUAL "fuzzer") # by hand, after the wire format changed: make_seeds test/fuzz/seeds
  add_executable(make_seeds EXCLUDE_FROM_ALL test/fuzz/make_seeds.c)
  redoubt_compile(make_seeds INCLUDES ${TEST_INCLUDES} test/fuzz DEFINITIONS _GNU_SOURCE)
  redoubt_link(make_seeds test_lib ${REAL_PARTS})
endif()
if(REDOUBT_SANITIZE STREQUAL "fuzzer")
  return()
endif()

add_executable(bench_counter EXCLUDE_FROM_ALL bench/bench_counter.c) # prints figures, by hand
redoubt_compile(bench_counter INCLUDES ${TEST_INCLUDES} DEFINITIONS _GNU_SOURCE)
redoubt_link(bench_counter counter core crypto_sodium)

redoubt_tests(unit test/unit/test_*.c ${REAL_PARTS})
redoubt_tests(unit test/unit/sim_test_*.c ${SIM_PARTS})
# Those with more than one thread: the thread sanitizer has nothing to say about the others.
foreach(stem test_client_library test_disk test_journal test_lane test_ring test_saved)
  set_tests_properties(unit/${stem} PROPERTIES LABELS "unit;threads")
  add_dependencies(tests_threads unit_${stem})
endforeach()
add_dependencies(tests_unit redoubt-execution redoubt-execution-counter redoubt-application-counter) # test_application_process starts them
redoubt_tests(paper test/paper/test_*.c ${SIM_PARTS})
set_tests_properties(paper/test_guarantees PROPERTIES COST 100) # the longest begin first, or a core has nothing to do at the end

add_executable(link_probe test/e2e/link_probe.c) # test/e2e/link.sh
redoubt_compile(link_probe DEFINITIONS _GNU_SOURCE)

foreach(kind scenario e2e)
  redoubt_glob(scripts test/${kind}/*.sh)
  foreach(script ${scripts})
    get_filename_component(stem ${script} NAME_WE)
    if(stem MATCHES "^(lib|common)") # sourced by the others
      continue()
    endif()
    redoubt_script_test(${kind}/${stem} ${kind} bash ${script})
  endforeach()
endforeach()

set(tools ${PROJECT_SOURCE_DIR}/tools)
foreach(protocol splitbft pbft hybster)
  redoubt_script_test(sim/${protocol} sim ${tools}/run-sim ${protocol})
endforeach()
redoubt_script_test(mutants/sim mutants ${tools}/run-mutants redoubt-sim 45)
redoubt_script_test(explorer/view_change explorer bash ${PROJECT_SOURCE_DIR}/test/explorer.sh)
redoubt_script_test(explorer/hybster explorer bash ${PROJECT_SOURCE_DIR}/test/explorer_hybster.sh)
set_tests_properties(mutants/sim PROPERTIES PROCESSORS 2)
# Two scripts run at a time: each e2e test has ports of its own (test/e2e/lib_cluster.sh), and most wait more than they compute. Those that
# need a core and more for themselves run alone.
foreach(stem replace resize power_loss split_app)
  set_tests_properties(e2e/${stem} PROPERTIES COST 50)
endforeach()
foreach(stem backup catching_up clients_http clients_jmeter clients_redis compartment_dies front_bad_input front_linearizable hybster_rejoin log_length
    reads rejoin soak)
  set_tests_properties(e2e/${stem} PROPERTIES RUN_SERIAL ON)
endforeach()
set_tests_properties(explorer/view_change sim/splitbft sim/pbft PROPERTIES COST 100)
if(REDOUBT_SANITIZE STREQUAL "" AND NOT REDOUBT_COVERAGE)
  redoubt_script_test(symbols/trusted symbols ${tools}/check-symbols ${PROJECT_BINARY_DIR})
  redoubt_script_test(symbols/can_refuse symbols ${tools}/check-symbols --self-test)
endif()
