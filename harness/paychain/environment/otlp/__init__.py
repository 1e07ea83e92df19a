"""A receiver of OpenTelemetry traces: what own services say of their calls themselves."""
