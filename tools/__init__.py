"""Scripts for developers: they make what the package ships, or report on its packages. No part of the package."""
