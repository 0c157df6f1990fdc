# Compiler options shared by every target, and the two functions with which folders declare themselves.

add_library(troupe_options INTERFACE)
target_compile_options(troupe_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror)
# g++ 12 warns falsely of these in inlined std::string and std::variant code when it optimises (GCC bugs 105329, 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(troupe_options INTERFACE -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow
    -Wno-maybe-uninitialized)
endif()
target_include_directories(troupe_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})

# troupe_unity(TARGET): where TROUPE_UNITY says so, files of a folder whose names begin near each other are compiled as
# one. Most of a compiler's time goes to headers and templates, which such files have in common. What they name for
# themselves (anonymous namespaces) must differ within such a group, which no new file elsewhere changes.
function(troupe_unity name)
  if(NOT TROUPE_UNITY)
    return()
  endif()
  get_target_property(sources ${name} SOURCES)
  foreach(source IN LISTS sources)
    file(RELATIVE_PATH path ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/${source})
    if(IS_ABSOLUTE ${source})
      file(RELATIVE_PATH path ${CMAKE_CURRENT_SOURCE_DIR} ${source})
    endif()
    get_filename_component(folder ${path} DIRECTORY)
    get_filename_component(file ${path} NAME)
    foreach(letters a-d e-g h-k l-n o-r s-u v-z)
      if(file MATCHES "^[${letters}]")
        set_source_files_properties(${source} PROPERTIES UNITY_GROUP "${folder}_${letters}")
      endif()
    endforeach()
  endforeach()
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  # Of classes that hold what an anonymous namespace names: meant for headers, which these files are not.
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)
endfunction()

# troupe_library(NAME [LINK lib...]): a static library of all .cpp files of the calling folder.
function(troupe_library name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC troupe_options ${ARG_LINK})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE troupe_options ${ARG_LINK})
  endif()
endfunction()

# troupe_test(NAME LINK lib... [UNITY] [LABELS label...] [TIMEOUT seconds]): one GoogleTest program of all
# .cpp files of the calling folder, each of its tests known to ctest.
function(troupe_test name)
  cmake_parse_arguments(ARG "UNITY" "TIMEOUT" "LINK;LABELS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS *.cpp)
  if(NOT sources)
    return()
  endif()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE troupe_options ${ARG_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  if(ARG_UNITY)
    troupe_unity(${name})
  endif()
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}")
endfunction()
