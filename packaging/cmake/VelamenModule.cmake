# velamen_module(name LAYER n [TORCH] [QT] [USES module...] [HIDES target...] [SHOWS target...]
#                [SOURCES file...] [TORCH_FREE file...])
#
# One static library per folder of sources. USES lists other modules, which must lie on a lower
# layer (checked when everything is declared, so the order of add_subdirectory does not matter).
# HIDES are libraries that stay out of the module's headers, SHOWS those that its headers need.
# TORCH: the module includes LibTorch. When VELAMEN_TORCH is off only its headers and the TORCH_FREE
# sources are there, which is enough for the window and for the sanitizer builds. QT: runs moc.

set_property(GLOBAL PROPERTY VELAMEN_MODULES "")

function(velamen_module name)
  cmake_parse_arguments(ARG "TORCH;QT" "LAYER" "USES;HIDES;SHOWS;SOURCES;TORCH_FREE" ${ARGN})
  if(NOT DEFINED ARG_LAYER)
    message(FATAL_ERROR "velamen_module(${name}): LAYER is missing")
  endif()
  set(target velamen_${name})
  set(without_torch OFF)
  if(ARG_TORCH AND NOT VELAMEN_TORCH)
    set(without_torch ON)
    set(ARG_SOURCES ${ARG_TORCH_FREE} "${PROJECT_SOURCE_DIR}/packaging/cmake/without_torch.cpp")
  elseif(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp"
      "${CMAKE_CURRENT_SOURCE_DIR}/*.h")
  endif()
  add_library(${target} STATIC ${ARG_SOURCES})
  add_library(velamen::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target} PRIVATE velamen_warnings ${ARG_HIDES} PUBLIC ${ARG_SHOWS})
  if(ARG_TORCH AND NOT without_torch)
    velamen_use_torch(${target})
  endif()
  if(ARG_QT)
    set_target_properties(${target} PROPERTIES AUTOMOC ON)
    target_compile_definitions(${target} PUBLIC QT_NO_KEYWORDS)
  endif()
  foreach(used IN LISTS ARG_USES)
    target_link_libraries(${target} PUBLIC velamen_${used})
  endforeach()
  set_property(GLOBAL APPEND PROPERTY VELAMEN_MODULES ${name})
  set_property(GLOBAL PROPERTY VELAMEN_LAYER_${name} ${ARG_LAYER})
  set_property(GLOBAL PROPERTY VELAMEN_USES_${name} "${ARG_USES}")
endfunction()

# Stops the configure at an arrow that does not point to a lower layer.
function(velamen_check_layers)
  get_property(modules GLOBAL PROPERTY VELAMEN_MODULES)
  foreach(module IN LISTS modules)
    get_property(layer GLOBAL PROPERTY VELAMEN_LAYER_${module})
    get_property(uses GLOBAL PROPERTY VELAMEN_USES_${module})
    foreach(used IN LISTS uses)
      get_property(below GLOBAL PROPERTY VELAMEN_LAYER_${used})
      if(below STREQUAL "")
        message(FATAL_ERROR "module ${module} uses ${used}, which is not a module of this build")
      elseif(NOT below LESS layer)
        message(FATAL_ERROR "wrong arrow: ${module} (layer ${layer}) uses ${used} (layer ${below})")
      endif()
    endforeach()
  endforeach()
endfunction()

# velamen_test(name [TORCH] [LABELS label...] [LIBS target...] [SOURCES file...])
# One GoogleTest program per module; sources default to *_test.cpp of the folder.
function(velamen_test name)
  cmake_parse_arguments(ARG "TORCH" "TIMEOUT" "LABELS;LIBS;SOURCES" ${ARGN})
  if(ARG_TORCH AND NOT VELAMEN_TORCH)
    return()
  endif()
  if(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp")
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS unit)
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  set(target test_${name})
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE velamen_warnings ${ARG_LIBS} GTest::gtest GTest::gmock
    GTest::gtest_main)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_options(${target} PRIVATE ${VELAMEN_FALSE_ALARMS})
  target_compile_definitions(${target} PRIVATE
    VELAMEN_SOURCE_DIR="${PROJECT_SOURCE_DIR}" VELAMEN_BINARY_DIR="${PROJECT_BINARY_DIR}")
  if(ARG_TORCH)
    velamen_use_torch(${target})
  endif()
  add_test(NAME ${name} COMMAND ${target}
    --gtest_output=xml:${PROJECT_BINARY_DIR}/test-results/${name}.xml)
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT}
    # Tests share the cores: two OpenMP teams that spin for one core take many times as long.
    ENVIRONMENT OMP_NUM_THREADS=1)
endfunction()
