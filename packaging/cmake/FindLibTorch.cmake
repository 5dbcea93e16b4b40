# Finds LibTorch as plain imported targets: LibTorch::cpu, and LibTorch::cuda when VELAMEN_CUDA is on.
#
# The PyPI wheel's own TorchConfig.cmake demands a CUDA toolkit and a CUDA dialect that CMake 3.25
# does not know, so the libraries are named here one by one. VELAMEN_LIBTORCH is a folder with
# include/ and lib/ (an official LibTorch, or the torch/ folder of the wheel); by default the one that
# packaging/bootstrap puts into the cache.

if(NOT VELAMEN_LIBTORCH)
  if(DEFINED ENV{VELAMEN_LIBTORCH})
    set(_default "$ENV{VELAMEN_LIBTORCH}")
  elseif(DEFINED ENV{VELAMEN_CACHE})
    set(_default "$ENV{VELAMEN_CACHE}/libtorch-2.15.0/torch")
  elseif(DEFINED ENV{XDG_CACHE_HOME})
    set(_default "$ENV{XDG_CACHE_HOME}/velamen/libtorch-2.15.0/torch")
  else()
    set(_default "$ENV{HOME}/.cache/velamen/libtorch-2.15.0/torch")
  endif()
endif()
set(VELAMEN_LIBTORCH "${_default}" CACHE PATH "Folder of LibTorch: include/ and lib/ inside")

find_path(LibTorch_INCLUDE_DIR torch/csrc/api/include/torch/torch.h
  PATHS "${VELAMEN_LIBTORCH}/include" NO_DEFAULT_PATH)
find_library(LibTorch_CPU_LIBRARY torch_cpu PATHS "${VELAMEN_LIBTORCH}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_LIBRARY c10 PATHS "${VELAMEN_LIBTORCH}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_CUDA_LIBRARY torch_cuda PATHS "${VELAMEN_LIBTORCH}/lib" NO_DEFAULT_PATH)
find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda PATHS "${VELAMEN_LIBTORCH}/lib" NO_DEFAULT_PATH)

set(_required LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY)
if(VELAMEN_CUDA)
  list(APPEND _required LibTorch_CUDA_LIBRARY LibTorch_C10_CUDA_LIBRARY)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS ${_required}
  REASON_FAILURE_MESSAGE "no LibTorch in '${VELAMEN_LIBTORCH}': run ./packaging/bootstrap, or pass -DVELAMEN_LIBTORCH=folder")

if(LibTorch_FOUND AND NOT TARGET LibTorch::cpu)
  add_library(LibTorch::c10 UNKNOWN IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_LIBRARY}")
  add_library(LibTorch::cpu UNKNOWN IMPORTED)
  set_target_properties(LibTorch::cpu PROPERTIES
    IMPORTED_LOCATION "${LibTorch_CPU_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES
      "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES
      "${LibTorch_INCLUDE_DIR};${LibTorch_INCLUDE_DIR}/torch/csrc/api/include"
    INTERFACE_LINK_LIBRARIES LibTorch::c10)
  # The wheel's libtorch_cpu needs libcudart and libcupti, found through its own RUNPATH at run time.
  set_property(TARGET LibTorch::cpu PROPERTY INTERFACE_LINK_OPTIONS "-Wl,--allow-shlib-undefined")
  if(VELAMEN_CUDA)
    # Nothing of ours names a symbol of these two; they announce the device when they are loaded.
    add_library(LibTorch::cuda INTERFACE IMPORTED)
    set_property(TARGET LibTorch::cuda PROPERTY INTERFACE_LINK_LIBRARIES
      "-Wl,--push-state,--no-as-needed,${LibTorch_CUDA_LIBRARY},${LibTorch_C10_CUDA_LIBRARY},--pop-state"
      LibTorch::cpu)
  endif()
endif()
