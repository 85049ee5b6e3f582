"""`flask --app wsgi demo …`: what needs no city, only made-up data; no settings are read for it."""

from __future__ import annotations

import click
from flask import Flask

from demo.population import write_population
from demo.results import write_results


@click.group("demo")
def demo_commands() -> None:
    """Run made-up data through the product, on servers of the command's own."""


demo_commands.add_command(write_population)
demo_commands.add_command(write_results)

app = Flask("demo", static_folder=None)
app.cli.add_command(demo_commands)
