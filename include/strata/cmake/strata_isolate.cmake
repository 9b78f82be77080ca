# cmake -DLINKER= -DOBJCOPY= -DOBJDUMP= -DNAME=<target> -DOUTPUT=<object> -P strata_isolate.cmake -- <object>...
#
# Joins objects to one in which all names are local but the entries that STRATA_DISPATCH has made for the target.
set(objects "")
set(after FALSE)
foreach(k RANGE ${CMAKE_ARGC})
    if(after AND k LESS CMAKE_ARGC)
        list(APPEND objects ${CMAKE_ARGV${k}})
    elseif("${CMAKE_ARGV${k}}" STREQUAL "--")
        set(after TRUE)
    endif()
endforeach()

function(run)
    execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE result)
    if(result)
        file(REMOVE ${OUTPUT})
        message(FATAL_ERROR "${ARGN}: ${errors}${output}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

# Without --force-group-allocation the linker would still keep one of the functions that are the same by name.
run(${LINKER} -r --force-group-allocation -o ${OUTPUT} ${objects})
run(${OBJCOPY} --wildcard "--keep-global-symbol=*_strata_target_${NAME}*" ${OUTPUT})

# Nothing of it may run on a processor that does not have the instruction set: no constructor before main. Sanitizers
# and coverage have some, and are not for old processors.
run(${OBJDUMP} -h -t ${OUTPUT})
set(instrumented "UND\\*[^\n]* __(asan|hwasan|msan|tsan|gcov|llvm_profile)_")
if(output MATCHES " \\.(init_array|ctors)" AND NOT output MATCHES "${instrumented}")
    file(REMOVE ${OUTPUT})
    message(FATAL_ERROR "A source of strata_add_targets has objects that are constructed before main, by code for "
                        "${NAME} that other processors cannot run: make them constexpr, or static in a function (and "
                        "do not include <iostream> there, which has one).")
endif()
