# What programs of others build against: libredoubt (use a cluster), libredoubt-service (write a service), headers.

# The .pc files find their prefix from where they lie, so an installed tree can be moved.
file(RELATIVE_PATH REDOUBT_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" REDOUBT_PC_UP "${REDOUBT_PC_UP}")

function(redoubt_pkgconfig name)
  configure_file(${PROJECT_SOURCE_DIR}/packaging/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

redoubt_glob(public_headers include/redoubt/*.h)
if(public_headers)
  install(FILES ${PROJECT_SOURCE_DIR}/packaging/man/redoubt.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  configure_file(${PROJECT_SOURCE_DIR}/packaging/redoubt@.service.in ${PROJECT_BINARY_DIR}/redoubt@.service @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/redoubt@.service DESTINATION lib/systemd/system)
  install(FILES ${public_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/redoubt)
endif()

set(CLIENT_PARTS client_core host core crypto_sodium)
redoubt_merged(redoubt_static OUTPUT redoubt KEEP redoubt_* ROOTS host_client LIBRARIES ${CLIENT_PARTS})
if(TARGET host_client)
  set(exports ${PROJECT_SOURCE_DIR}/cmake/libredoubt.map)
  add_library(redoubt_shared SHARED $<TARGET_OBJECTS:host_client_objects>)
  redoubt_link(redoubt_shared ${CLIENT_PARTS})
  target_link_libraries(redoubt_shared PRIVATE ${HOST_LINKS})
  target_link_options(redoubt_shared PRIVATE -Wl,--version-script=${exports})
  if(REDOUBT_SANITIZE STREQUAL "")
    target_link_options(redoubt_shared PRIVATE -Wl,-z,defs)
  endif()
  set_target_properties(redoubt_shared PROPERTIES OUTPUT_NAME redoubt LINKER_LANGUAGE C LINK_DEPENDS ${exports}
                        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
  install(TARGETS redoubt_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
  redoubt_pkgconfig(redoubt)
endif()

# The frame of an Execution compartment, main() included: the user's file brings `redoubt_service`.
redoubt_glob(execution_main cmd/execution.c)
set(SERVICE_ROOTS execution application shell)
if(execution_main)
  redoubt_library(execution_main TRUSTED SOURCES cmd/execution.c INCLUDES include trusted DEFINITIONS _GNU_SOURCE)
  list(APPEND SERVICE_ROOTS execution_main)
endif()
redoubt_merged(redoubt_service_static OUTPUT redoubt-service KEEP redoubt_* main ROOTS ${SERVICE_ROOTS}
               LIBRARIES core crypto_sodium)
if(TARGET redoubt_service_static)
  redoubt_pkgconfig(redoubt-service)
endif()
