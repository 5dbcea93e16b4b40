# ATen costs many seconds a file: all targets that need it share one precompiled header. Not torch/torch.h: GCC
# instantiates in every file the templates that a precompiled header leaves pending, and that whole header's take as
# long again as the file. Files include what they need of torch beside this.

add_library(velamen_torch_header OBJECT "${PROJECT_SOURCE_DIR}/packaging/cmake/torch_header.cpp")
target_link_libraries(velamen_torch_header PRIVATE velamen_warnings PUBLIC LibTorch::cpu)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # Lets ccache see through the precompiled header.
  set(_pch_flags $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
endif()
target_compile_options(velamen_torch_header PRIVATE ${_pch_flags})
target_precompile_headers(velamen_torch_header PRIVATE
  <ATen/ATen.h> <torch/nn/module.h> <torch/types.h> <algorithm> <cmath> <cstdint> <filesystem> <functional> <memory> <optional>
  <span> <string> <vector>)

function(velamen_use_torch target)
  target_link_libraries(${target} PUBLIC LibTorch::cpu)
  if(TARGET LibTorch::cuda)
    target_link_libraries(${target} PUBLIC LibTorch::cuda)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_compile_options(${target} PRIVATE -fPIC) # as the header was compiled, not -fPIE
  endif()
  target_precompile_headers(${target} REUSE_FROM velamen_torch_header)
endfunction()
