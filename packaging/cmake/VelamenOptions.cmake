# Compiler, linker and warning choices that hold for every target.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(VELAMEN_CCACHE ccache)
if(VELAMEN_CCACHE)
  # Precompiled headers need these; see "Precompiled headers" in the manual of ccache.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ${VELAMEN_CCACHE})
endif()
# Not mold: version 1.10 of Debian 12 writes a RELRO segment that starts below its page, and the program
# does not start ("cannot apply additional memory protection after relocation").

add_library(velamen_warnings INTERFACE)
target_compile_options(velamen_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
    -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${VELAMEN_WERROR}>>:-Werror>)

if(VELAMEN_SANITIZER STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=address,undefined)
elseif(VELAMEN_SANITIZER STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=thread)
elseif(VELAMEN_SANITIZER)
  message(FATAL_ERROR "VELAMEN_SANITIZER is '${VELAMEN_SANITIZER}': use address or thread")
endif()

option(VELAMEN_FUZZ "Build the fuzzers of tests/fuzz (needs clang with libFuzzer)" OFF)
if(VELAMEN_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "VELAMEN_FUZZ needs clang: configure a new folder with -DCMAKE_CXX_COMPILER=clang++")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
    -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=address,undefined)
endif()

# GCC 12 reports copies in inlined std::string code that cannot happen (GCC bugs 105329, 105651) and
# dangling pointers that do not dangle. Named by the targets that meet them.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  set(VELAMEN_FALSE_ALARMS -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow
    -Wno-stringop-overread -Wno-dangling-pointer)
endif()
