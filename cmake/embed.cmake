# The console's files inside the program: ui/dist (made by `make ui`) becomes the table of src/admin/asset.h. Without it the
# table is empty, and the program says at / how to get one.
set(TIELINE_UI_DIST ${CMAKE_SOURCE_DIR}/ui/dist)
set(asset_source ${CMAKE_BINARY_DIR}/assets.gen.c)
file(GLOB_RECURSE assets CONFIGURE_DEPENDS ${TIELINE_UI_DIST}/*)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_custom_command(
  OUTPUT ${asset_source}
  COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tools/embed-assets ${TIELINE_UI_DIST} ${asset_source}
  DEPENDS ${CMAKE_SOURCE_DIR}/tools/embed-assets ${assets}
  COMMENT "Embedding the console")
target_sources(tieline_core PRIVATE ${asset_source})
