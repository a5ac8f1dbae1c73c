# The libraries of others that we stand on; all from Debian. tools/bootstrap installs them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

add_library(tieline_deps INTERFACE)
foreach(dep libuv libnghttp2 openssl sqlite3 yaml-0.1 libpcre2-8 libsodium libxml-2.0 libxslt libexslt zlib libzstd
            libprotobuf-c)
  string(MAKE_C_IDENTIFIER ${dep} id)
  pkg_check_modules(${id} REQUIRED IMPORTED_TARGET ${dep})
  target_link_libraries(tieline_deps INTERFACE PkgConfig::${id})
endforeach()
# The program loads libcurl at its first use (src/main/libcurl.c); everything else is linked against it.
pkg_check_modules(libcurl REQUIRED IMPORTED_TARGET libcurl)
target_include_directories(tieline_deps INTERFACE $<TARGET_PROPERTY:PkgConfig::libcurl,INTERFACE_INCLUDE_DIRECTORIES>)
find_library(JQ_LIBRARY jq REQUIRED)
target_link_libraries(tieline_deps INTERFACE ${JQ_LIBRARY} Threads::Threads m)

find_path(CMOCKA_INCLUDE cmocka.h)
find_library(CMOCKA_LIBRARY cmocka)
