"""From a run's specification to its verdict, its matrix, its comparison."""
