# Manual pages and completion for bash, zsh and fish, written by a small program from the tables that the commands parse
# their options with, and installed where the shells and man look for them.
file(GLOB docs_sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/src/cli/docs/*.c)
add_executable(bertcl_docs ${docs_sources})
target_link_libraries(bertcl_docs PRIVATE bertcl_commands)
set(docs ${CMAKE_CURRENT_BINARY_DIR}/docs)
add_custom_command(OUTPUT ${docs}/stamp
  COMMAND ${CMAKE_COMMAND} -E rm -rf ${docs}
  COMMAND bertcl_docs ${docs}
  COMMAND ${CMAKE_COMMAND} -E touch ${docs}/stamp
  DEPENDS bertcl_docs VERBATIM)
add_custom_target(docs ALL DEPENDS ${docs}/stamp)

install(DIRECTORY ${docs}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(FILES ${docs}/completion/bertcl DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(FILES ${docs}/completion/_bertcl DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${docs}/completion/bertcl.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
