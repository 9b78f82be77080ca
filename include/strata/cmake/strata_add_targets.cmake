# strata_add_targets(<target> <source>... TARGETS <instruction set>...)
#
# Adds the sources to a program or library, compiled as the rest of it is, and once more for each instruction set, a
# name that -march= takes (x86-64-v3, x86-64-v4, znver4, ...). STRATA_DISPATCH in a source (strata/dispatch.hpp) defines
# the function that chooses among them at run time. docs/instruction_sets.md has the whole story.
#
# Functions of the standard library's templates, and the user's own inline functions, have one name for all instruction
# sets, and a linker keeps one copy: so what is compiled for an instruction set is joined to one object in which every
# name but the entries is local. That takes GNU ld and objcopy.

# An object library of the sources with everything that `target` is compiled with.
function(strata_object_library objects target)
    add_library(${objects} OBJECT ${ARGN})
    target_link_libraries(${objects} PRIVATE $<TARGET_PROPERTY:${target},LINK_LIBRARIES>)
    foreach(kind IN ITEMS INCLUDE_DIRECTORIES COMPILE_DEFINITIONS COMPILE_OPTIONS)
        set_property(TARGET ${objects} PROPERTY ${kind} $<TARGET_PROPERTY:${target},${kind}>)
    endforeach()
    foreach(property IN ITEMS CXX_STANDARD CXX_EXTENSIONS CXX_VISIBILITY_PRESET VISIBILITY_INLINES_HIDDEN
                              POSITION_INDEPENDENT_CODE)
        get_target_property(value ${target} ${property})
        if(NOT value MATCHES "-NOTFOUND$")
            set_property(TARGET ${objects} PROPERTY ${property} ${value})
        endif()
    endforeach()
    get_target_property(type ${target} TYPE)
    if(type MATCHES "^(SHARED|MODULE)_LIBRARY$")
        set_property(TARGET ${objects} PROPERTY POSITION_INDEPENDENT_CODE ON)
    endif()
endfunction()

# strata::native, which strata::files brings along, would have the rest of the program compiled for one processor,
# whatever is chosen; and the library has the bodies of one instruction set alone.
function(strata_check_baseline target)
    get_target_property(libraries ${target} LINK_LIBRARIES)
    foreach(library IN ITEMS strata::native strata::files)
        if("${library}" IN_LIST libraries)
            message(FATAL_ERROR "strata_add_targets: ${target} links ${library}, so that all of it needs this "
                                "machine's processor; link strata::strata alone.")
        endif()
    endforeach()
endfunction()

# Sets STRATA_GNU_LD, in the cache. With clang CMake's own linker may be lld, which cannot do what is needed.
function(strata_find_gnu_ld)
    if(STRATA_GNU_LD)
        return()
    endif()
    get_filename_component(objcopy "${CMAKE_OBJCOPY}" NAME)
    string(REGEX REPLACE "objcopy.*" "" prefix "${objcopy}")
    set(names ${prefix}ld.bfd ${prefix}ld)
    if(NOT CMAKE_CROSSCOMPILING)
        list(APPEND names ld.bfd ld)
    endif()
    foreach(name IN ITEMS ${CMAKE_LINKER} ${names})
        unset(STRATA_LD_CANDIDATE CACHE)
        find_program(STRATA_LD_CANDIDATE ${name})
        if(STRATA_LD_CANDIDATE)
            execute_process(COMMAND ${STRATA_LD_CANDIDATE} --help OUTPUT_VARIABLE help ERROR_QUIET)
            if(help MATCHES "--force-group-allocation")
                set(STRATA_GNU_LD ${STRATA_LD_CANDIDATE} CACHE FILEPATH "GNU ld, for strata_add_targets")
                mark_as_advanced(STRATA_GNU_LD)
                break()
            endif()
        endif()
    endforeach()
    unset(STRATA_LD_CANDIDATE CACHE)
endfunction()

function(strata_add_targets target)
    cmake_parse_arguments(PARSE_ARGV 1 ARG "" "" "TARGETS")
    if(NOT ARG_UNPARSED_ARGUMENTS OR NOT ARG_TARGETS)
        message(FATAL_ERROR "strata_add_targets(<target> <source>... TARGETS <instruction set>...) needs a source and "
                            "an instruction set.")
    endif()
    strata_find_gnu_ld()
    if(NOT STRATA_GNU_LD OR NOT CMAKE_OBJCOPY OR NOT CMAKE_OBJDUMP)
        message(FATAL_ERROR "strata_add_targets needs GNU ld (binutils 2.29 or newer), objcopy and objdump: set "
                            "STRATA_GNU_LD, CMAKE_OBJCOPY and CMAKE_OBJDUMP. Programs may be linked with any linker.")
    endif()
    set(isolate ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/strata_isolate.cmake)
    include(CheckCXXCompilerFlag)
    check_cxx_compiler_flag(-fno-gnu-unique STRATA_HAS_NO_GNU_UNIQUE)
    cmake_language(EVAL CODE "cmake_language(DEFER CALL strata_check_baseline [[${target}]])")

    set(names "")
    foreach(instructions IN LISTS ARG_TARGETS)
        string(MAKE_C_IDENTIFIER "${instructions}" name)
        list(APPEND names ${name})
        check_cxx_compiler_flag(-march=${instructions} STRATA_HAS_MARCH_${name})
        if(NOT STRATA_HAS_MARCH_${name})
            message(FATAL_ERROR "strata_add_targets: the compiler does not take -march=${instructions}.")
        endif()
        set(objects ${target}_${name})
        strata_object_library(${objects} ${target} ${ARG_UNPARSED_ARGUMENTS})
        target_compile_definitions(${objects} PRIVATE STRATA_TARGET=${name})
        # Unique symbols are one in the whole process, whatever they are in an object.
        target_compile_options(${objects} PRIVATE -march=${instructions} -fno-lto
                                                  $<$<BOOL:${STRATA_HAS_NO_GNU_UNIQUE}>:-fno-gnu-unique>)
        set(directory ${CMAKE_CURRENT_BINARY_DIR}/${objects}_isolated)
        if(CMAKE_CONFIGURATION_TYPES)
            string(APPEND directory /$<CONFIG>)
        endif()
        set(object ${directory}/${objects}.o)
        add_custom_command(OUTPUT ${object}
            COMMAND ${CMAKE_COMMAND} -E make_directory ${directory}
            COMMAND ${CMAKE_COMMAND} -DLINKER=${STRATA_GNU_LD} -DOBJCOPY=${CMAKE_OBJCOPY} -DOBJDUMP=${CMAKE_OBJDUMP}
                    -DNAME=${name} -DOUTPUT=${object} -P ${isolate} -- $<TARGET_OBJECTS:${objects}>
            DEPENDS ${objects} $<TARGET_OBJECTS:${objects}> ${isolate}
            COMMENT "Keeping what is compiled for ${instructions} apart in ${target}"
            COMMAND_EXPAND_LISTS VERBATIM)
        target_sources(${target} PRIVATE ${object})
        set_property(TARGET ${target} APPEND PROPERTY STRATA_TARGET_OBJECTS ${object})
    endforeach()
    # Commas would end a generator expression.
    string(JOIN "," list ${names})
    strata_object_library(${target}_baseline ${target} ${ARG_UNPARSED_ARGUMENTS})
    target_compile_definitions(${target}_baseline PRIVATE STRATA_TARGETS=${list})
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_baseline>)
endfunction()
