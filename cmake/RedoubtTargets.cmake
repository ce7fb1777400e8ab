# The four verbs that CMakeLists.txt and RedoubtTests.cmake are written in.

# redoubt_glob(VAR PATTERN... [EXCLUDE REGEX]): files by pattern, looked at again in every build.
function(redoubt_glob var)
  cmake_parse_arguments(A "" "EXCLUDE" "" ${ARGN})
  set(patterns)
  foreach(pattern ${A_UNPARSED_ARGUMENTS})
    list(APPEND patterns ${PROJECT_SOURCE_DIR}/${pattern})
  endforeach()
  file(GLOB found CONFIGURE_DEPENDS ${patterns})
  if(A_EXCLUDE)
    list(FILTER found EXCLUDE REGEX "${A_EXCLUDE}")
  endif()
  set(${var} ${found} PARENT_SCOPE)
endfunction()

# redoubt_compile(TARGET TRUSTED? INCLUDES... DEFINITIONS...): what each target is compiled with.
function(redoubt_compile target)
  cmake_parse_arguments(A "TRUSTED" "" "INCLUDES;DEFINITIONS" ${ARGN})
  foreach(dir ${A_INCLUDES})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/${dir})
  endforeach()
  target_compile_definitions(${target} PRIVATE ${A_DEFINITIONS} REDOUBT_VERSION="${PROJECT_VERSION}")
  if(A_TRUSTED)
    target_compile_options(${target} PRIVATE -U_FORTIFY_SOURCE)
  else()
    target_compile_options(${target} PRIVATE ${REDOUBT_FORTIFY})
  endif()
endfunction()

# redoubt_library(NAME [TRUSTED] SOURCES PATTERN... [EXCLUDE REGEX] INCLUDES DIR... [DEFINITIONS D...] [LINKS T...])
# A static library, and the object library NAME_objects behind it. LINKS are libraries of the system.
function(redoubt_library name)
  cmake_parse_arguments(A "TRUSTED" "EXCLUDE" "SOURCES;INCLUDES;DEFINITIONS;LINKS" ${ARGN})
  redoubt_glob(sources ${A_SOURCES} EXCLUDE "${A_EXCLUDE}")
  if(NOT sources)
    message(STATUS "no files yet for library ${name}")
    return()
  endif()
  set(trusted)
  if(A_TRUSTED)
    set(trusted TRUSTED)
  endif()
  add_library(${name}_objects OBJECT ${sources})
  redoubt_compile(${name}_objects ${trusted} INCLUDES ${A_INCLUDES} DEFINITIONS ${A_DEFINITIONS})
  target_link_libraries(${name}_objects PRIVATE ${A_LINKS})
  add_library(${name} STATIC $<TARGET_OBJECTS:${name}_objects>)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C)
  target_link_libraries(${name} INTERFACE ${A_LINKS})
endfunction()

# redoubt_link(TARGET LIBRARY...): links those of our libraries that exist, as one group, since some call each other.
function(redoubt_link target)
  set(present)
  foreach(library ${ARGN})
    if(TARGET ${library})
      list(APPEND present ${library})
    endif()
  endforeach()
  if(present)
    target_link_libraries(${target} PRIVATE -Wl,--as-needed -Wl,--start-group ${present} -Wl,--end-group)
  endif()
endfunction()

# redoubt_executable(NAME [COMPARTMENT] SOURCES PATTERN... [WITH PATTERN...] INCLUDES DIR... [LIBRARIES L...]
#                    [DESTINATION DIR]): installed to libexec/redoubt unless DESTINATION says otherwise. WITH are files
# that are added when there, but do not alone make the executable. A COMPARTMENT leaves a link map for tools/tcb.
function(redoubt_executable name)
  cmake_parse_arguments(A "COMPARTMENT" "DESTINATION" "SOURCES;WITH;INCLUDES;LIBRARIES" ${ARGN})
  redoubt_glob(sources ${A_SOURCES})
  if(NOT sources)
    message(STATUS "no files yet for executable ${name}")
    return()
  endif()
  if(A_WITH)
    redoubt_glob(with ${A_WITH})
    list(APPEND sources ${with})
  endif()
  add_executable(${name} ${sources})
  redoubt_compile(${name} INCLUDES ${A_INCLUDES} DEFINITIONS _GNU_SOURCE)
  redoubt_link(${name} ${A_LIBRARIES})
  if(A_COMPARTMENT)
    target_link_options(${name} PRIVATE -Wl,-Map=${PROJECT_BINARY_DIR}/bin/${name}.map)
  endif()
  if(A_DESTINATION STREQUAL "bin")
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  else()
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/redoubt)
  endif()
endfunction()

# redoubt_merged(NAME OUTPUT KEEP GLOB... ROOTS T... LIBRARIES L...): libOUTPUT.a for other people's programs. All objects
# of ROOTS, and what they need of LIBRARIES, become one object in which only symbols that match KEEP stay global,
# so that our names never clash with a user's.
function(redoubt_merged name)
  cmake_parse_arguments(A "" "OUTPUT" "KEEP;ROOTS;LIBRARIES" ${ARGN})
  set(objects)
  foreach(root ${A_ROOTS})
    if(NOT TARGET ${root}_objects)
      message(STATUS "no files yet for lib${A_OUTPUT}.a")
      return()
    endif()
    list(APPEND objects $<TARGET_OBJECTS:${root}_objects>)
  endforeach()
  set(archives)
  foreach(library ${A_LIBRARIES})
    if(TARGET ${library})
      list(APPEND archives $<TARGET_FILE:${library}>)
    endif()
  endforeach()
  set(keep)
  foreach(pattern ${A_KEEP})
    list(APPEND keep --keep-global-symbol=${pattern})
  endforeach()
  set(object ${PROJECT_BINARY_DIR}/${A_OUTPUT}-merged.o)
  set(archive ${PROJECT_BINARY_DIR}/lib${A_OUTPUT}.a)
  add_custom_command(
    OUTPUT ${archive}
    COMMAND ${CMAKE_LINKER} -r -o ${object} ${objects} --start-group ${archives} --end-group
    COMMAND ${CMAKE_OBJCOPY} --wildcard ${keep} ${object}
    COMMAND ${CMAKE_COMMAND} -E rm -f ${archive}
    COMMAND ${CMAKE_AR} qcs ${archive} ${object}
    DEPENDS ${objects} ${archives}
    COMMENT "Merging lib${A_OUTPUT}.a"
    COMMAND_EXPAND_LISTS VERBATIM)
  add_custom_target(${name} ALL DEPENDS ${archive})
  install(FILES ${archive} DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()
