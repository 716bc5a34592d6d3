"""What `make lab` and Binder add to the Jupyter configuration that they find."""

from ipykernel.ipkernel import IPythonKernel
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager


class Contents(AsyncLargeFileManager):
    """Files; a Python notebook comes with the description of the Python here.

    JupyterLab writes it into the notebook as soon as the kernel answers, down to the patch version.
    With any other description, a notebook just opened would count as modified.
    """

    async def get(self, path, **options):
        model = await super().get(path, **options)
        if model["type"] == "notebook" and model["content"]:
            metadata = model["content"]["metadata"]
            if metadata.get("language_info", {}).get("name") == "python":
                metadata["language_info"] = IPythonKernel.language_info
        return model


c = get_config()  # noqa: F821
c.ServerApp.contents_manager_class = Contents
