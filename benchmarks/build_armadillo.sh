#!/bin/sh
# Builds benchmarks/build/armadillo_gmm from armadillo_gmm.cpp.
# Debian and Ubuntu: apt-get install g++ libarmadillo-dev
set -eu
cd "$(dirname "$0")"
mkdir -p build
"${CXX:-g++}" -std=c++17 -O3 -march=native -fopenmp armadillo_gmm.cpp \
    -o build/armadillo_gmm -larmadillo
