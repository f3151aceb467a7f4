# Every library Tayfa links, found once and given one target name. What is missing is named with the
# package that brings it. libtorch is the one optional dependency: without it everything is built
# except the torch engine, and its tests are reported as skipped.
find_package(Threads REQUIRED)
find_package(CAF 0.17.6 REQUIRED COMPONENTS core)              # libcaf-dev
find_package(Boost 1.81 REQUIRED COMPONENTS json url)              # libboost1.81-dev, libboost-json1.81-dev, libboost-url1.81-dev
find_package(spdlog REQUIRED)                                  # libspdlog-dev
find_package(CLI11 REQUIRED)                                   # libcli11-dev
find_package(tl-expected REQUIRED)                             # libexpected-dev
find_package(CURL REQUIRED)                                    # libcurl4-openssl-dev
find_package(PNG REQUIRED)                                     # libpng-dev
find_package(JPEG REQUIRED)                                    # libjpeg62-turbo-dev
find_package(OpenSSL REQUIRED COMPONENTS Crypto)               # libssl-dev
find_package(SQLite3 3.40 REQUIRED)                            # libsqlite3-dev
find_package(prometheus-cpp CONFIG REQUIRED COMPONENTS core)   # prometheus-cpp-dev
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq)         # libzmq3-dev, cppzmq-dev
pkg_check_modules(HWLOC REQUIRED IMPORTED_TARGET hwloc)         # libhwloc-dev
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)         # libpq-dev
pkg_check_modules(TOMLPP REQUIRED IMPORTED_TARGET tomlplusplus) # libtomlplusplus-dev

# The compiler sees them below the build folder, wherever they are: ccache makes such paths the same in each clone.
set(TAYFA_DEPS_HERE ${CMAKE_BINARY_DIR}/deps)
file(CREATE_LINK ${TAYFA_DEPS} ${TAYFA_DEPS_HERE} SYMBOLIC)

# Debian's libmsgpack-cxx-dev depends on a Boost that conflicts with 1.81: set-up unpacks its headers.
find_path(MSGPACK_INCLUDE_DIR msgpack.hpp
  PATHS ${TAYFA_DEPS_HERE}/msgpack/usr/include NO_CACHE NO_DEFAULT_PATH REQUIRED)
add_library(tayfa_msgpack INTERFACE)
target_include_directories(tayfa_msgpack SYSTEM INTERFACE ${MSGPACK_INCLUDE_DIR})
target_compile_definitions(tayfa_msgpack INTERFACE MSGPACK_NO_BOOST)

# libtorch from the wheel that set-up installed (headers, libraries and CMake files; no Python at run time).
file(GLOB TAYFA_TORCH_CMAKE_DIR
  ${TAYFA_DEPS_HERE}/venv/lib/python3*/site-packages/torch/share/cmake/Torch)
set(TAYFA_HAVE_TORCH OFF)
if(TAYFA_TORCH_CMAKE_DIR)
  list(GET TAYFA_TORCH_CMAKE_DIR 0 Torch_DIR)
  set(CMAKE_CXX_FLAGS_BEFORE_TORCH "${CMAKE_CXX_FLAGS}")
  find_package(Torch QUIET CONFIG PATHS ${Torch_DIR} NO_DEFAULT_PATH)
  set(CMAKE_CXX_FLAGS "${CMAKE_CXX_FLAGS_BEFORE_TORCH}")
  if(Torch_FOUND)
    set(TAYFA_HAVE_TORCH ON)
    get_filename_component(TAYFA_TORCH_ROOT ${Torch_DIR}/../../.. REALPATH)
  endif()
endif()
if(TAYFA_HAVE_TORCH)
  message(STATUS "libtorch: ${TAYFA_TORCH_ROOT}")
else()
  message(WARNING "libtorch was not found under ${TAYFA_DEPS}/venv: the torch engine is NOT built and its "
    "tests will be reported as skipped. `make setup` installs it (pip install torch==2.13.0).")
endif()
