# Warnings, sanitizers and hardening, in one interface target that every target of ours links.
add_library(tieline_flags INTERFACE)

target_compile_options(tieline_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:
  -Wall;-Wextra;-Wpedantic;-Wshadow;-Wconversion;-Wsign-conversion;-Wcast-qual;-Wcast-align;-Wwrite-strings
  -Wstrict-prototypes;-Wmissing-prototypes;-Wundef;-Wvla;-Wswitch-enum;-Wformat=2;-Wdouble-promotion
  -Wimplicit-fallthrough;-Wpointer-arith>)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  target_compile_options(tieline_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:
    -Walloca;-Wlogical-op;-Wduplicated-cond;-Wduplicated-branches>)
endif()
if(TIELINE_WERROR)
  target_compile_options(tieline_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Werror>)
endif()

target_compile_definitions(tieline_flags INTERFACE _GNU_SOURCE TIELINE_VERSION="${PROJECT_VERSION}")
target_compile_options(tieline_flags INTERFACE -fno-omit-frame-pointer -fno-strict-aliasing -g)

set(frame_limit 8192)
if(TIELINE_SANITIZE) # red zones make frames larger; so are the stacks of tasks then
  set(frame_limit 32768)
endif()
target_compile_options(tieline_flags INTERFACE $<$<COMPILE_LANGUAGE:C>:-Wframe-larger-than=${frame_limit}>)

if(TIELINE_SANITIZE)
  target_compile_options(tieline_flags INTERFACE -fsanitize=${TIELINE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(tieline_flags INTERFACE -fsanitize=${TIELINE_SANITIZE})
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(tieline_flags INTERFACE
    -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection)
  target_link_options(tieline_flags INTERFACE -Wl,-z,relro -Wl,-z,now)
endif()
# Asserts say what cannot happen and stay on in release builds.
foreach(config RELEASE RELWITHDEBINFO MINSIZEREL)
  string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_${config} "${CMAKE_C_FLAGS_${config}}")
endforeach()
string(REPLACE "-O3" "-O2" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")

if(TIELINE_COVERAGE)
  target_compile_options(tieline_flags INTERFACE --coverage -O0)
  target_link_options(tieline_flags INTERFACE --coverage)
endif()
