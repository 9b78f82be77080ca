# What strata::strata links where it is there, and its components strata::eigen, strata::openmp, strata::mpi and
# strata::cuda: for the build tree and for the installed package, which looks on the machine that uses it, not on the one
# that built it.

# Finds zlib, which gzip files need; `result` names it where it is there.
function(strata_find_libraries result)
    find_package(ZLIB QUIET)
    set(${result} "" PARENT_SCOPE)
    if(TARGET ZLIB::ZLIB)
        set(${result} ZLIB::ZLIB PARENT_SCOPE)
    endif()
endfunction()

# Makes strata::<component>; extra arguments go to add_library. `missing` is empty, or a sentence about what the
# component needs and is not there: programs that link it then stop at the missing library's name.
function(strata_add_component component missing)
    # Its targets, of which the first says whether it is there, how find_package finds them, and what it is.
    if(component STREQUAL "eigen")
        set(libraries Eigen3::Eigen)
        set(package Eigen3 QUIET NO_MODULE)
        set(needed "Eigen3, which was not found (Debian: libeigen3-dev)")
    elseif(component STREQUAL "openmp")
        set(libraries OpenMP::OpenMP_CXX)
        set(package OpenMP QUIET COMPONENTS CXX)
        set(needed "OpenMP, which was not found (Debian, for clang: libomp-dev)")
    elseif(component STREQUAL "mpi")
        set(libraries MPI::MPI_CXX)
        set(package MPI QUIET COMPONENTS CXX)
        set(needed "an MPI, which was not found (Debian: libopenmpi-dev)")
    elseif(component STREQUAL "cuda")
        set(libraries CUDA::cudart CUDA::cublas)
        set(package CUDAToolkit QUIET)
        set(needed "the CUDA toolkit, which was not found")
    else()
        set(${missing} "strata has no component ${component}; it knows cuda, eigen, mpi and openmp." PARENT_SCOPE)
        return()
    endif()
    list(GET libraries 0 library)
    if(NOT TARGET ${library})
        find_package(${package})
    endif()
    set(sentence "")
    if(NOT TARGET ${library})
        set(sentence "strata::${component} needs ${needed}.")
    endif()
    set(${missing} "${sentence}" PARENT_SCOPE)
    if(TARGET strata::${component})
        return()
    endif()
    # Imported targets are no part of the export set of a library that links them.
    add_library(strata::${component} INTERFACE IMPORTED ${ARGN})
    target_link_libraries(strata::${component} INTERFACE strata::strata ${libraries})
    if(component STREQUAL "cuda")
        target_compile_options(strata::cuda INTERFACE
            "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;--extended-lambda>")
        # CMake 3.25 and older do not know that nvcc speaks C++20.
        if("cuda_std_20" IN_LIST CMAKE_CUDA_COMPILE_FEATURES)
            target_compile_features(strata::cuda INTERFACE cuda_std_20)
        else()
            target_compile_options(strata::cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
        endif()
    endif()
endfunction()
