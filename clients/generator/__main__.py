"""`make clients` writes the generated files of both clients, after the OpenAPI document or `_async` has changed."""

from clients.generator.document import ROOT
from clients.generator.files import write_files
from tests.clients.environments import codegen, node_packages

if __name__ == "__main__":
    write_files(ROOT, codegen(), node_packages())
